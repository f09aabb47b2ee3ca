// Package cursor makes and reads the cursors of lists ordered by id. A cursor is bound to its list and the list's
// filters. A truncated or changed cursor, or one of another list, is rejected and never read as a place in this list.
package cursor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// List is a list with its filters.
type List [sha256.Size]byte

// Of returns the list with a name and its filters. The order of the filters matters.
func Of(name string, filters ...string) List {
	h := sha256.New()
	for _, part := range append([]string{name}, filters...) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return List(h.Sum(nil))
}

// A cursor is an id and the first bytes of a digest of the list and the id. The digest detects accidents. It does not
// keep anyone from forging a cursor of a list that they may read anyway.
const (
	idBytes    = 8
	checkBytes = 7 // with the id 15, which base64 encodes without padding
)

// After returns the cursor of the page after the item with this id.
func (l List) After(last int64) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, idBytes+sha256.Size), uint64(last))
	sum := sha256.Sum256(append(l[:], b...))
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:checkBytes]...))
}

// Read returns the id in a cursor: zero for the empty cursor, which means the first page. It returns fault.BadRequest
// for a cursor of another list and for an invalid one.
func (l List) Read(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && len(b) == idBytes+checkBytes {
		if last := int64(binary.BigEndian.Uint64(b)); last > 0 && l.After(last) == text {
			return last, nil
		}
	}
	return 0, fault.New(fault.BadRequest, "This cursor does not belong to this list: send the next_cursor of the previous page unchanged, with the same filters, or no cursor for the first page.").In("cursor")
}
