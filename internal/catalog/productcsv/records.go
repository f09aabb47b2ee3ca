package productcsv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Limits of a file. With them an import needs about 150 bytes of memory for each row, to find duplicates.
const (
	// RecordBytesMax bounds a row: it fits five descriptions of 50,000 characters of four bytes.
	RecordBytesMax = 1 << 20
	// RowsMax bounds the rows of a file.
	RowsMax = 1_000_000
	// linesMax bounds the lines of a file. Blank lines and lines inside a text are not rows.
	linesMax = 10 * RowsMax
	// fieldsMax bounds the fields of a row: shops' files have up to about 300 columns.
	fieldsMax = 1000
)

// record is a row of the file.
type record struct {
	line   int64    // its first line, from 1
	at     int64    // its first byte
	size   int      // in bytes, its line break included
	fields []string // nil if the row is unreadable
	raw    string   // the text of an unreadable row
	wrong  string   // why the row is unreadable
}

// records reads rows as defined by RFC 4180, with either kind of line break and with comma as the separator. Unlike
// encoding/csv it tells where a row is, continues after an unreadable row, and bounds a row.
type records struct {
	in    *bufio.Reader
	comma byte
	line  int64 // lines read
	at    int64 // bytes read
	buf   []byte
}

func newRecords(in io.Reader, comma byte) *records {
	return &records{in: bufio.NewReaderSize(in, chunkBytes), comma: comma}
}

// reset starts to read in, whose first row follows that line.
func (r *records) reset(in io.Reader, line int64) {
	r.in.Reset(in)
	r.line, r.at = line, 0
}

// next returns the next row that is not blank: spreadsheets end in rows of commas and blanks. It returns io.EOF at the
// end, and any other error if it cannot continue.
func (r *records) next() (record, error) {
	for {
		rec, err := r.row()
		if err != nil || rec.wrong != "" || slices.ContainsFunc(rec.fields, func(f string) bool { return !blank(f) }) {
			return rec, err
		}
	}
}

// errTooLong says that a line is longer than RecordBytesMax. The rest of the line was skipped.
var errTooLong = errors.New("too long")

func (r *records) row() (record, error) {
	r.buf = r.buf[:0]
	rec := record{line: r.line + 1, at: r.at}
	if err := r.appendLine(); err != nil {
		if errors.Is(err, errTooLong) {
			rec.wrong, rec.raw = fmt.Sprintf("the line is longer than %d bytes", RecordBytesMax), shortened(r.buf[:min(len(r.buf), 200)])
			rec.size = int(r.at - rec.at)
			return rec, nil
		}
		return rec, err
	}
	for {
		fields, open, wrong := split(r.buf, r.comma)
		if !open {
			rec.size = len(r.buf)
			if wrong != "" {
				rec.wrong, rec.raw = wrong, shortened(r.buf)
				return rec, nil
			}
			rec.fields = fields
			return rec, nil
		}
		// A quoted field continues until the row's quotes are even. The row is split again only then, so that a long
		// text of short lines is not split once for each line.
		err := r.appendLine()
		for quotes := bytes.Count(r.buf, []byte{'"'}); err == nil && quotes%2 == 1; {
			at := len(r.buf)
			if err = r.appendLine(); err == nil {
				quotes += bytes.Count(r.buf[at:], []byte{'"'})
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			rec.wrong, rec.raw, rec.size = "a quote is opened and not closed until the end of the file", shortened(r.buf), len(r.buf)
			return rec, nil
		case errors.Is(err, errTooLong):
			return rec, fmt.Errorf("line %d: a quote is opened and not closed within %d bytes; what follows cannot be told apart", rec.line, RecordBytesMax)
		case err != nil:
			return rec, err
		}
	}
}

// appendLine appends the next line to the buffer, including its line break.
func (r *records) appendLine() error {
	from := len(r.buf)
	for {
		part, err := r.in.ReadSlice('\n')
		r.at += int64(len(part))
		if r.line >= linesMax {
			return fmt.Errorf("the file has more than %d lines: divide it", linesMax)
		}
		if len(r.buf)+len(part) > RecordBytesMax {
			return r.skipLine(err)
		}
		r.buf = append(r.buf, part...)
		switch {
		case err == nil:
			r.line++
			return nil
		case errors.Is(err, io.EOF):
			if len(r.buf) == from {
				return io.EOF
			}
			r.line++
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// skipLine skips to the end of a line that is too long.
func (r *records) skipLine(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		var part []byte
		part, err = r.in.ReadSlice('\n')
		r.at += int64(len(part))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	r.line++
	return errTooLong
}

// shortened returns the beginning of a row, enough to find the row in the file.
func shortened(row []byte) string {
	const most = 1000
	row = bytes.TrimRight(row, "\r\n")
	if len(row) > most {
		row = append(bytes.ToValidUTF8(row[:most:most], nil), "..."...)
	}
	return string(bytes.ToValidUTF8(row, []byte("\uFFFD")))
}

// split splits a row into fields. open says that the row ends inside a quoted field.
func split(row []byte, comma byte) (fields []string, open bool, wrong string) {
	row = bytes.TrimSuffix(row, []byte("\n"))
	if !insideQuotes(row) {
		row = bytes.TrimSuffix(row, []byte("\r"))
	}
	for {
		if len(fields) == fieldsMax {
			return nil, false, fmt.Sprintf("it has more than %d fields", fieldsMax)
		}
		if len(row) == 0 || row[0] != '"' {
			end := bytes.IndexByte(row, comma)
			field := row
			if end >= 0 {
				field = row[:end]
			}
			if bytes.IndexByte(field, '"') >= 0 {
				return nil, false, fmt.Sprintf("field %d has a quote but does not begin with one: put it in quotes and double those inside", len(fields)+1)
			}
			fields = append(fields, string(field))
			if end < 0 {
				return fields, false, ""
			}
			row = row[end+1:]
			continue
		}
		field, rest, closed := quoted(row[1:])
		if !closed {
			return nil, true, ""
		}
		fields = append(fields, field)
		if len(rest) == 0 {
			return fields, false, ""
		}
		if rest[0] != comma {
			return nil, false, fmt.Sprintf("field %d goes on after its closing quote: double the quotes inside a field", len(fields))
		}
		row = rest[1:]
	}
}

// quoted reads a field from after its opening quote to its closing quote.
func quoted(in []byte) (field string, rest []byte, closed bool) {
	var whole []byte
	for {
		end := bytes.IndexByte(in, '"')
		if end < 0 {
			return "", nil, false
		}
		whole = append(whole, in[:end]...)
		if end+1 == len(in) || in[end+1] != '"' {
			return string(whole), in[end+1:], true
		}
		whole = append(whole, '"')
		in = in[end+2:]
	}
}

// insideQuotes reports whether an incomplete row ends inside a quoted field, judging by its quotes.
func insideQuotes(row []byte) bool { return bytes.Count(row, []byte{'"'})%2 == 1 }

// blank reports whether a cell has no visible character.
func blank(cell string) bool {
	return strings.TrimFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' || r == '\u200B' }) == ""
}
