package productcsv

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/text/encoding/korean"
)

// letters counts the bytes of a file beyond ASCII by their meaning in each of the possible encodings.
type letters struct {
	// high counts bytes beyond ASCII. apart counts those placed like accented letters in western words: one alone, two
	// inside a word, or one beside a quote. latin counts those that are a letter or a common sign in Windows-1252.
	high, apart, latin int64
	// pairs counts pairs of a high byte and the byte after it. cut counts pairs that no two-byte encoding has. beside
	// counts pairs next to a Latin letter, as inside the words of European languages.
	pairs, cut, beside int64
	// gb counts pairs that are one of the 3,755 everyday characters or the signs of GB 2312.
	gb int64
	// big5 counts pairs that are one of the 5,401 everyday characters or the signs of Big5. big5Only counts those of
	// them that texts in GB 2312 and in Japanese and Korean encodings do not have.
	big5, big5Only int64
	// utf8 counts bytes that would be two-byte letters in UTF-8. A text with any of them is not Windows-1252 but a
	// mixture.
	utf8 int64
	// hangul counts pairs that are one of the most frequent Korean syllables in EUC-KR, which uses the same bytes as GB
	// 2312.
	hangul int64
}

// Shares in percent that a text must have, or may have at most, to be recognised as one encoding, and the least number
// of pairs.
const (
	gbShare, big5Share, latinShare = 85, 95, 80
	big5OnlyShare                  = 15 // about half of a Big5 text are such pairs
	besideShareMax                 = 50
	hangulShareMax                 = 20
	pairsMin                       = 3
)

// isPairs reports whether the text may be in a two-byte encoding.
func (l *letters) isPairs() bool {
	return l.pairs >= pairsMin && l.cut == 0 && l.beside*100 <= l.pairs*besideShareMax
}

func (l *letters) isGB() bool {
	return l.isPairs() && l.gb*100 >= l.pairs*gbShare && l.hangul*100 < l.pairs*hangulShareMax
}

func (l *letters) isBig5() bool {
	return l.isPairs() && l.big5*100 >= l.pairs*big5Share && l.big5Only*100 >= l.pairs*big5OnlyShare
}

func (l *letters) isLatin() bool {
	return l.apart*100 >= l.high*latinShare && l.latin == l.high && l.utf8 == 0
}

// latinSigns are the bytes of Windows-1252 that western texts contain besides letters: quotes, dashes, signs of
// currencies and measures.
const latinSigns = "\x80\x82\x84\x85\x8a\x8c\x8e\x91\x92\x93\x94\x95\x96\x97\x99\x9a\x9c\x9e\x9f\xa0\xa1\xa2\xa3\xa7\xa9\xab\xae\xb0\xb1\xb2\xb7\xba\xbb\xbc\xbd\xbe\xbf\xd7"

// quotes are the signs of Windows-1252 that occur directly beside letters.
const quotes = "\x82\x84\x85\x91\x92\x93\x94\x96\x97\xa0\xab\xbb"

// hangulSyllables make up half of any Korean text.
const hangulSyllables = "이다는에하고지을의가사어아기도리로은한자나를시대인그으해서들과정일라스부장전수제있"

func commonHangul() map[string]bool {
	all := map[string]bool{}
	for _, syllable := range hangulSyllables {
		if pair, err := korean.EUCKR.NewEncoder().String(string(syllable)); err == nil {
			all[pair] = true
		}
	}
	return all
}

// countLetters counts the letters of the whole file.
func countLetters(in io.Reader) (l letters, err error) {
	hangul := commonHangul()
	buf := make([]byte, chunkBytes)
	var lead, before byte // lead is a high byte whose second byte has not arrived; before is the byte before it
	var r run
	ended := false // a pair, with the byte before
	for {
		n, err := in.Read(buf)
		for _, b := range buf[:n] {
			l.single(&r, b)
			switch {
			case lead != 0:
				l.pair(lead, b, hangul)
				if isLatinLetter(before) {
					l.beside++
				}
				lead, ended, before = 0, true, b
				continue
			case b >= 0x80:
				lead = b
			default:
				if ended && isLatinLetter(b) {
					l.beside++
				}
				before = b
			}
			ended = false
		}
		switch {
		case errors.Is(err, io.EOF):
			l.single(&r, 0)
			if lead != 0 {
				l.cut++
			}
			return l, nil
		case err != nil:
			return l, err
		}
	}
}

// run is a run of consecutive high bytes: the first two, the last, and the byte before the run.
type run struct {
	before byte
	first  [2]byte
	last   byte
	n      int64
}

// single counts one byte.
func (l *letters) single(r *run, b byte) {
	if b < 0x80 {
		if r.isApart(b) {
			l.apart += r.n
		}
		*r = run{before: b}
		return
	}
	if r.n > 0 && r.last >= 0xc2 && r.last <= 0xdf && b < 0xc0 {
		l.utf8++
	}
	if r.n < 2 {
		r.first[r.n] = b
	}
	r.last = b
	r.n++
	l.high++
	if isWestern(b) || strings.IndexByte(latinSigns, b) >= 0 {
		l.latin++
	}
}

func (r *run) isApart(after byte) bool {
	first, second := r.first[0], r.first[1]
	switch {
	case r.n == 2 && isWestern(first) && isWestern(second):
		return isLatinLetter(r.before) || isLatinLetter(after)
	case r.n == 2:
		return isWestern(first) && strings.IndexByte(quotes, second) >= 0 || isWestern(second) && strings.IndexByte(quotes, first) >= 0
	}
	return r.n == 1
}

// isWestern reports whether b is a letter of Windows-1252.
func isWestern(b byte) bool { return b >= 0xc0 && b != 0xd7 && b != 0xf7 }

func (l *letters) pair(lead, trail byte, hangul map[string]bool) {
	l.pairs++
	if lead == 0x80 || lead == 0xff || trail < 0x30 || trail == 0x7f || trail == 0xff {
		l.cut++
		return
	}
	if trail >= 0xa1 && (lead >= 0xb0 && lead <= 0xd7 || lead >= 0xa1 && lead <= 0xa3) {
		l.gb++
	}
	if lead >= 0xa1 && lead <= 0xc6 && (trail >= 0x40 && trail <= 0x7e || trail >= 0xa1) {
		l.big5++
		if trail < 0x7f || lead >= 0xaa && lead <= 0xaf {
			l.big5Only++
		}
	}
	if hangul[string([]byte{lead, trail})] {
		l.hangul++
	}
}

func isLatinLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }
