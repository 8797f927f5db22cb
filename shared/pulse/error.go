package pulse

import (
	"errors"
	"fmt"
)

// Code says what kind of trouble an error is. It survives from the place
// where the error happens to the HTTP status, the exit code and the screen.
type Code string

// The closed set of codes. An error without a code is Internal.
const (
	Invalid         Code = "invalid"         // the input is wrong: naming the field and the fix
	Unauthenticated Code = "unauthenticated" // who is asking is unknown
	Forbidden       Code = "forbidden"       // who is asking may not
	NotFound        Code = "not_found"
	Conflict        Code = "conflict"    // the row has changed since it was read, or is there already
	TooMany         Code = "too_many"    // a limit is reached; later is fine
	Unavailable     Code = "unavailable" // a part is away: the same call may work soon
	Internal        Code = "internal"    // our bug; the text never leaves the process
)

// Error is an error that a user may see: Message is written for them. Err, the
// cause, is for the log alone.
type Error struct {
	Code    Code
	Field   string // the field of the input that is wrong, "" where there is none
	Message string
	Err     error
}

func (e *Error) Error() string {
	text := e.Message
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error without a field.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidField makes an Invalid error about one field of the input.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of the first Error in err's chain, Internal where there
// is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
