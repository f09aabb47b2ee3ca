package productcsv

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Limits of an upload.
const (
	// FileBytesMax bounds an uncompressed file, so that no import runs for hours.
	FileBytesMax = 1 << 30
	// packedRatioMax bounds the compression ratio of a gzipped file once it exceeds packedBytesFree. Product files
	// shrink to a tenth; a file made to keep a processor busy shrinks to a thousandth.
	packedRatioMax = 100
	// packedBytesFree is the uncompressed size that is always allowed: a test with a hundred equal rows is no attack.
	packedBytesFree = 4 << 20
	// spoolMemoryBytes is how much of a file is held in memory. A larger file is written to a temporary file.
	spoolMemoryBytes = 8 << 20
	chunkBytes       = 64 << 10
)

// spool holds a file that is read several times. A large one is a temporary file without a name, which disappears with
// the process.
type spool struct {
	memory []byte
	file   *os.File
	size   int64
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && len(s.memory)+len(p) <= spoolMemoryBytes {
		s.memory = append(s.memory, p...)
		s.size += int64(len(p))
		return len(p), nil
	}
	if s.file == nil {
		if err := s.toDisk(); err != nil {
			return 0, noRoom(err)
		}
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		return n, noRoom(err)
	}
	return n, nil
}

func (s *spool) toDisk() (err error) {
	if s.file, err = os.CreateTemp("", "tidegate-import-*"); err != nil {
		return err
	}
	_ = os.Remove(s.file.Name()) // if an open file cannot be removed, the system does it later
	_, err = s.file.Write(s.memory)
	s.memory = nil
	return err
}

func noRoom(err error) error {
	return fault.Wrap(fault.Internal, err, "The file cannot be kept while it is read: %s has no room, or may not be written.", os.TempDir())
}

func (s *spool) ReadAt(p []byte, at int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, at)
	}
	return bytes.NewReader(s.memory).ReadAt(p, at)
}

func (s *spool) Close() error {
	s.memory = nil
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// reader reads from a byte to the end, until ctx ends.
func (s *spool) reader(ctx context.Context, from int64) io.Reader {
	return &reading{ctx: ctx, in: io.NewSectionReader(s, from, s.size-from)}
}

// reading is a reader that stops when its context ends, and counts bytes.
type reading struct {
	ctx context.Context
	in  io.Reader
	n   int64
}

func (r *reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, fault.Wrap(fault.TimedOut, err, "The import was ended: nobody waits for it.")
	}
	n, err := r.in.Read(p)
	r.n += int64(n)
	return n, err
}

// receive receives a whole file, and decompresses a gzipped one. It returns the number of bytes sent. A file that
// cannot be read to its end is not used.
func receive(ctx context.Context, in io.Reader) (s *spool, sent int64, err error) {
	from := &reading{ctx: ctx, in: in}
	b := bufio.NewReaderSize(from, chunkBytes)
	var plain io.Reader = b
	packed := false
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		packed = true
		if plain, err = gzip.NewReader(b); err != nil {
			return nil, 0, broken(packed, err)
		}
	}
	s = &spool{}
	if err = s.fill(plain, packed, from); err != nil {
		return nil, 0, errors.Join(err, s.Close())
	}
	return s, from.n, nil
}

func (s *spool) fill(plain io.Reader, packed bool, from *reading) error {
	chunk := make([]byte, chunkBytes)
	for {
		n, err := plain.Read(chunk)
		if _, err := s.Write(chunk[:n]); err != nil {
			return err
		}
		switch {
		case s.size > FileBytesMax:
			return unknown("The file has more than %d bytes, unpacked: divide it.", FileBytesMax)
		case packed && s.size > packedBytesFree && s.size > from.n*packedRatioMax:
			return unknown("The file unpacks to more than %d times its size: send it unpacked.", packedRatioMax)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return broken(packed, err)
		}
	}
}

// broken returns the fault of an incomplete file.
func broken(packed bool, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if packed && (errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return unknown("The file is gzipped, and damaged or cut off. Nothing of it was taken.")
	}
	return fault.Wrap(fault.BadRequest, err, "The file cannot be read to its end, and nothing of it was taken: %s.", fmt.Sprint(err))
}
