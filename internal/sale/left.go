package sale

// Shows says how exactly shoppers are told what is left.
type Shows string

// The ways of showing it.
const (
	Exact  Shows = "exact"
	Coarse Shows = "coarse" // in bands: nobody reads from it how fast a shop sells
)

// Band is what is left of an allocation, told coarsely.
type Band string

// The bands.
const (
	Plenty Band = "plenty" // more than a half
	Fewer  Band = "fewer"  // a half or less
	Last   Band = "last"   // a tenth or less
	None   Band = "none"
)

// BandOf returns the band of what is left of an allocation.
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

// Shown returns how many units of an item shoppers are told are left: of a coarse sale the most that its band holds.
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
