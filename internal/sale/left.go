package sale

// Shows is the precision with which shoppers see the units left.
type Shows string

// The precisions.
const (
	Exact  Shows = "exact"
	Coarse Shows = "coarse" // in bands, so that competitors cannot measure the rate of sale
)

// Band is a coarse statement of the units left.
type Band string

// The bands.
const (
	Plenty Band = "plenty" // more than half
	Fewer  Band = "fewer"  // half or less
	Last   Band = "last"   // a tenth or less
	None   Band = "none"
)

// BandOf returns the band for the units left of an allocation.
func BandOf(left, allocation int64) Band {
	switch {
	case left < 1:
		return None
	case left <= (allocation+9)/10:
		return Last
	case left <= (allocation+1)/2:
		return Fewer
	}
	return Plenty
}

// Shown returns the units of an item that shoppers see: exact, or the upper bound of the band.
func (s *Sale) Shown(it *Item, left int64) int64 {
	left = max(left, 0)
	if s.ShowsLeft != Coarse {
		return left
	}
	switch BandOf(left, it.Allocation) {
	case None:
		return 0
	case Last:
		return (it.Allocation + 9) / 10
	case Fewer:
		return (it.Allocation + 1) / 2
	}
	return it.Allocation
}
