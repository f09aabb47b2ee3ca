package productcsv

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/text/encoding/korean"
)

// letters counts the bytes beyond ASCII of a file by what they would be in the encodings that it may be in.
type letters struct {
	// high bytes; apart those that stand as letters beyond ASCII do in western words: one, two inside a word, one beside a quote; latin
	// those that are a letter or a sign of texts in Windows-1252.
	high, apart, latin int64
	// pairs of a high byte and what follows it; cut are pairs that no encoding of two bytes has; beside are those with a Latin letter at
	// their side, as inside the words of European languages.
	pairs, cut, beside int64
	// gb are the pairs that are one of the 3,755 everyday characters of GB 2312, or one of its signs.
	gb int64
	// big5 are the pairs that are one of the 5,401 everyday characters of Big5, or one of its signs; big5Only those that texts in GB 2312
	// and in the encodings of Japanese and Korean do not have.
	big5, big5Only int64
	// utf8 are the bytes that would be letters of two bytes in UTF-8: with any of them a text is no Windows-1252, but two texts.
	utf8 int64
	// hangul are the pairs that are one of the commonest syllables of Korean in EUC-KR, which uses the same bytes as GB 2312.
	hangul int64
}

// Shares that a text must have to be taken for one in an encoding, in percent, and how many characters it must have at least.
const (
	gbShare, big5Share, latinShare = 85, 95, 80
	big5OnlyShare                  = 15 // of a text in Big5, in which half are such
	besideShareMax                 = 50
	hangulShareMax                 = 20
	pairsMin                       = 3
)

// isPairs reports a text that may be one in an encoding of two bytes.
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

// latinSigns are the bytes of Windows-1252 that texts in western languages hold besides its letters: quotes, dashes, signs of
// currencies and measures.
const latinSigns = "\x80\x82\x84\x85\x8a\x8c\x8e\x91\x92\x93\x94\x95\x96\x97\x99\x9a\x9c\x9e\x9f\xa0\xa1\xa2\xa3\xa7\xa9\xab\xae\xb0\xb1\xb2\xb7\xba\xbb\xbc\xbd\xbe\xbf\xd7"

// quotes are the signs of Windows-1252 that stand right beside letters.
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

// countLetters reads to the end.
func countLetters(in io.Reader) (l letters, err error) {
	hangul := commonHangul()
	buf := make([]byte, chunkBytes)
	var lead, before byte // lead is a high byte whose pair has not come; before stands before it
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

// run is the high bytes that follow each other, the first two of them, and what stands before.
type run struct {
	before byte
	first  [2]byte
	last   byte
	n      int64
}

// single counts a byte for itself.
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

// isWestern reports the letters of Windows-1252.
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
