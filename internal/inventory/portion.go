package inventory

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Portion is what the orders of one commit have reserved of a pool.
type Portion struct {
	Pool
	Units int64
}

// AppendPortion appends a portion to a list as the ledger keeps it: [[sale, SKU, units], ...]. An empty b begins the list;
// the caller appends the ] that ends it.
func AppendPortion(b []byte, p Portion) []byte {
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

// ReadPortions reads such a list. It returns an error where it is none, or where its units are not as many in sum.
func ReadPortions(list []byte, sum int64) ([]Portion, error) {
	var all [][]int64
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, err
	}
	portions := make([]Portion, len(all))
	left := sum
	for i, p := range all {
		if len(p) != 3 {
			return nil, fmt.Errorf("portion %d has %d numbers, not a sale, a SKU and units", i, len(p))
		}
		portions[i] = Portion{Pool{Sale: id.Sale(p[0]), SKU: id.SKU(p[1])}, p[2]}
		left -= p[2]
	}
	if left != 0 {
		return nil, fmt.Errorf("it is of %d units, and its pools are of %d", sum, sum-left)
	}
	return portions, nil
}
