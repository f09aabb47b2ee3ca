package money

import "strconv"

// AppendJSON appends {"minor":1250,"currency":"GBP"}.
func (a Amount) AppendJSON(b []byte) []byte {
	b = append(b, `{"minor":`...)
	b = strconv.AppendInt(b, a.Minor, 10)
	b = append(b, `,"currency":"`...)
	b = append(b, a.Currency...) // a code has only letters: nothing to quote
	return append(b, `"}`...)
}
