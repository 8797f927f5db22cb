package dump

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// What archives of Reddit are packed with (zstd --long=31): the decoder takes
	// that much address space for such a file, of which memory is used as far as
	// the unpacked file fills it, and no more for any.
	maxWindow = 2 << 30
	// How much of a file goes into its identity.
	identityBytes = 64 << 10
	readBuffer    = 256 << 10
)

// input is one file as it lies on the disk.
type input struct {
	file io.ReadCloser
	size int64 // 0 if unknown
	read atomic.Int64
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.file.Read(p)
	in.read.Add(int64(n))
	return n, err
}

// lines unpacks the input by what it begins with, not by its name.
func (in *input) lines() (*splitter, func(), error) {
	raw := bufio.NewReaderSize(in, readBuffer)
	head, err := raw.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("read: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("read gzip: %w", err)
		}
		return newSplitter(z, "gzip"), func() { z.Close() }, nil
	case isZstd(head):
		z, err := zstd.NewReader(raw, zstd.WithDecoderMaxWindow(maxWindow),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, fmt.Errorf("read zstd: %w", err)
		}
		return newSplitter(z, "zstd"), z.Close, nil
	}
	return &splitter{r: raw, form: "plain"}, func() {}, nil
}

// isZstd also knows the skippable frames that some archives begin with.
func isZstd(head []byte) bool {
	return bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18})
}

// identify gives the name under which the place in a file is kept: the same
// for the same path, size, beginning and filter.
func identify(f *os.File, path string, filter Filter) (id string, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		if info.IsDir() {
			return "", 0, errors.New("is a directory, want a file")
		}
		return "", 0, nil // a pipe cannot be read twice
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00", abs, info.Size())
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, identityBytes)); err != nil {
		return "", 0, fmt.Errorf("read: %w", err)
	}
	if only := filter.String(); only != "" {
		fmt.Fprintf(h, "\x00%s", only)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), info.Size(), nil
}
