package inventory

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Quantity is a number of units of one pool.
type Quantity struct {
	Pool
	Units int64
}

// AppendQuantity appends a quantity to a list in the ledger's form: [[sale, SKU, units], ...]. It begins the list if b
// is empty; the caller appends the final ].
func AppendQuantity(b []byte, p Quantity) []byte {
	if len(b) == 0 {
		b = append(b, '[')
	} else {
		b = append(b, ',')
	}
	b = strconv.AppendInt(append(b, '['), int64(p.Sale), 10)
	b = strconv.AppendInt(append(b, ','), int64(p.SKU), 10)
	b = strconv.AppendInt(append(b, ','), p.Units, 10)
	return append(b, ']')
}

// ParseQuantities parses such a list. It returns an error if the list is malformed or its units do not add up to sum.
func ParseQuantities(list []byte, sum int64) ([]Quantity, error) {
	var all [][]int64
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, err
	}
	portions := make([]Quantity, len(all))
	left := sum
	for i, p := range all {
		if len(p) != 3 {
			return nil, fmt.Errorf("entry %d has %d numbers; want three: sale, SKU, units", i, len(p))
		}
		portions[i] = Quantity{Pool{Sale: id.Sale(p[0]), SKU: id.SKU(p[1])}, p[2]}
		left -= p[2]
	}
	if left != 0 {
		return nil, fmt.Errorf("the row has %d units, but its pools have %d", sum, sum-left)
	}
	return portions, nil
}
