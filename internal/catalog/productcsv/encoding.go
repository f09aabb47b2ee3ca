package productcsv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// text is a file in UTF-8.
type text struct {
	*spool
	from     int64 // after the byte order mark
	encoding string
	guessed  bool
}

// marks are the byte order marks of Unicode files.
var marks = []struct {
	mark, name string
	encoding   encoding.Encoding
}{
	{"\xff\xfe\x00\x00", "utf-32le", nil},
	{"\x00\x00\xfe\xff", "utf-32be", nil},
	{"\xef\xbb\xbf", "utf-8", unicode.UTF8},
	{"\xff\xfe", "utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"\xfe\xff", "utf-16be", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
}

// toText decides the encoding of the whole file and returns the file in UTF-8. asked, if not empty, is the encoding the
// caller named. It returns fault.Invalid if the file does not have that encoding, or if the encoding cannot be
// determined. Then nothing of the file is imported.
func toText(ctx context.Context, s *spool, asked string) (*text, error) {
	head := make([]byte, 4)
	n, _ := s.ReadAt(head, 0)
	head = head[:n]
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0")) {
		return nil, unknown("The file is a workbook or a zip archive. Save it as CSV UTF-8.")
	}
	t := &text{spool: s}
	lines, err := t.survey(ctx)
	if err != nil {
		return nil, err
	}
	enc, err := t.decide(ctx, head, asked, &lines)
	switch {
	case err != nil:
		return nil, err
	case enc == unicode.UTF8 && lines.wrong != 0:
		return nil, unknown("The file is not UTF-8, as of line %d. Save it as CSV UTF-8, or say what it is with --encoding.", lines.wrong)
	case enc == unicode.UTF8 && !lines.macintosh():
		return t, nil
	}
	return t, t.transcode(ctx, enc, lines.macintosh())
}

// decide returns the encoding: by the byte order mark, as asked, UTF-8 if all of it is valid, or by guess.
func (t *text) decide(ctx context.Context, head []byte, asked string, l *lines) (encoding.Encoding, error) {
	var want encoding.Encoding
	if asked = strings.ToLower(strings.TrimSpace(asked)); asked != "" && asked != "auto" {
		var err error
		if want, err = htmlindex.Get(asked); err != nil || want == encoding.Replacement {
			return nil, fault.Bad("encoding", "%.40q is not an encoding: utf-8, utf-16le, gb18030, big5, windows-1252 and others.", asked)
		}
		asked, _ = htmlindex.Name(want)
		if want == encoding.Nop || asked == "utf-8" {
			want = unicode.UTF8
		}
	}
	for _, m := range marks {
		if !bytes.HasPrefix(head, []byte(m.mark)) {
			continue
		}
		if m.encoding == nil {
			return nil, unknown("The file is UTF-32. Save it as CSV UTF-8.")
		}
		if want != nil && asked != m.name {
			return nil, fault.Bad("encoding", "%s was asked for, and the file begins with the mark of %s.", asked, m.name)
		}
		t.from, t.encoding = int64(len(m.mark)), m.name
		return m.encoding, nil
	}
	if want != nil {
		t.encoding = asked
		return want, nil
	}
	switch {
	case l.nul > l.bytes/4:
		return nil, unknown("The file looks like UTF-16 without its mark: say --encoding utf-16le, or utf-16be.")
	case l.wrong == 0:
		t.encoding = "utf-8"
		return unicode.UTF8, nil
	}
	return t.guess(ctx, l.wrong)
}

// guess distinguishes the encodings of spreadsheets by the letters that a text uses. It refuses a text that does not
// fit exactly one of them well. Otherwise shoppers would find garbled names.
func (t *text) guess(ctx context.Context, line int64) (encoding.Encoding, error) {
	l, err := countLetters(t.reader(ctx, 0))
	if err != nil {
		return nil, err
	}
	t.guessed = true
	switch {
	case l.isGB():
		t.encoding = "gb18030"
		return simplifiedchinese.GB18030, nil
	case l.isBig5():
		t.encoding = "big5"
		return traditionalchinese.Big5, nil
	case l.isLatin():
		t.encoding = "windows-1252"
		return charmap.Windows1252, nil
	}
	return nil, unknown("The file is not UTF-8, as of line %d, and cannot be told to be something else: nothing of it was taken. "+
		"Save it as CSV UTF-8, or say what it is with --encoding, such as gb18030, big5 or windows-1252.", line)
}

// lines is the result of a first scan of a file's bytes.
type lines struct {
	bytes, nul, lf, cr int64
	wrong              int64 // the first line that is not UTF-8; zero: none
}

// macintosh reports whether lines end in CR alone.
func (l *lines) macintosh() bool { return l.lf == 0 && l.cr > 0 }

func (t *text) survey(ctx context.Context) (l lines, err error) {
	in := t.reader(ctx, 0)
	buf := make([]byte, chunkBytes)
	kept := 0 // bytes of a letter that continues in the next chunk
	for {
		n, err := in.Read(buf[kept:])
		chunk := buf[:kept+n]
		end := len(chunk)
		for i := max(0, end-utf8.UTFMax+1); i < end && err == nil; i++ {
			if utf8.RuneStart(chunk[i]) && !utf8.FullRune(chunk[i:]) {
				end = i
				break
			}
		}
		l.add(chunk[:end])
		kept = copy(buf, chunk[end:])
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return l, err
		}
	}
}

func (l *lines) add(b []byte) {
	if l.wrong == 0 && !utf8.Valid(b) {
		good := bytes.ToValidUTF8(b, nil) // up to the first byte that differs
		at := 0
		for at < len(good) && good[at] == b[at] {
			at++
		}
		l.wrong = l.lf + int64(bytes.Count(b[:at], []byte{'\n'})) + 1
	}
	l.bytes += int64(len(b))
	l.nul += int64(bytes.Count(b, []byte{0}))
	l.lf += int64(bytes.Count(b, []byte{'\n'}))
	l.cr += int64(bytes.Count(b, []byte{'\r'}))
}

// transcode replaces the file by its UTF-8 form.
func (t *text) transcode(ctx context.Context, enc encoding.Encoding, macintosh bool) error {
	in := transform.NewReader(t.reader(ctx, t.from), enc.NewDecoder())
	out := &spool{}
	buf := make([]byte, chunkBytes)
	line, kept := int64(1), 0 // kept bytes of the previous chunk, because chunks may split a letter
	for {
		n, err := in.Read(buf[kept:])
		chunk := buf[kept : kept+n]
		if macintosh {
			for i, c := range chunk {
				if c == '\r' {
					chunk[i] = '\n'
				}
			}
		}
		if at := strange(buf[:kept+n]); at >= 0 && enc != unicode.UTF8 {
			line += int64(bytes.Count(chunk[:max(0, at-kept)], []byte{'\n'}))
			return errors.Join(unknown("The file is not %s, as of line %d: nothing of it was taken. Say what it is with --encoding.", t.encoding, line), out.Close())
		}
		line += int64(bytes.Count(chunk, []byte{'\n'}))
		if _, err := out.Write(chunk); err != nil {
			return errors.Join(err, out.Close())
		}
		if out.size > FileBytesMax {
			return errors.Join(unknown("The file has more than %d bytes in UTF-8: divide it.", FileBytesMax), out.Close())
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(broken(false, err), out.Close())
		}
		all := buf[:kept+n]
		kept = copy(buf, all[max(0, len(all)-2):])
	}
	err := t.Close()
	t.spool, t.from = out, 0
	return err
}

// strange returns the position of a letter that the decoder did not know or turned into a control that no text
// contains. It returns -1 if there is none.
func strange(chunk []byte) int {
	for i := 0; i < len(chunk); i++ {
		switch {
		case chunk[i] == 0xef && bytes.HasPrefix(chunk[i:], []byte("\uFFFD")),
			chunk[i] == 0xc2 && i+1 < len(chunk) && chunk[i+1] < 0xa0:
			return i
		}
	}
	return -1
}
