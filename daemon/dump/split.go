package dump

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// splitter cuts a stream into lines.
type splitter struct {
	r    *bufio.Reader
	form string // what the stream was unpacked from, for errors
	line int64  // lines given so far
}

func newSplitter(r io.Reader, form string) *splitter {
	return &splitter{r: bufio.NewReaderSize(r, readBuffer), form: form}
}

// next appends the next line to buf, without its end, without white space
// around it and without a byte order mark. tooLong says that it has more than
// maxLine bytes; then nothing is appended. The error is io.EOF behind the last
// line, which needs no line feed. A line that the stream breaks off in is not
// given: half an observation is none.
func (s *splitter) next(buf []byte) (_ []byte, tooLong bool, err error) {
	start, size := len(buf), 0
	for {
		part, err := s.r.ReadSlice('\n')
		ended := err == nil
		if ended {
			part = part[:len(part)-1]
		}
		size += len(part)
		if size > maxLine+1 { // one for a carriage return
			tooLong, buf = true, buf[:start]
		}
		if !tooLong {
			buf = append(buf, part...)
		}
		switch {
		case ended, errors.Is(err, io.EOF) && size > 0:
			s.line++
			return s.trim(buf, start, tooLong)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return buf, false, io.EOF
		case errors.Is(err, io.ErrUnexpectedEOF):
			return buf[:start], false, fmt.Errorf("line %d: the %s data is cut off: %w", s.line+1, s.form, err)
		default:
			return buf[:start], false, fmt.Errorf("line %d: read %s data: %w", s.line+1, s.form, err)
		}
	}
}

func (s *splitter) trim(buf []byte, start int, tooLong bool) ([]byte, bool, error) {
	if tooLong {
		return buf[:start], true, nil
	}
	line := buf[start:]
	if s.line == 1 {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	line = bytes.Trim(line, " \t\r")
	if len(line) > maxLine {
		return buf[:start], true, nil
	}
	// Moved to the front, so that buf holds the line and nothing else of it.
	return append(buf[:start], line...), false, nil
}
