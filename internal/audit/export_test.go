package audit

// Bound sets how much a service holds in memory at once, so that a small shop is read in portions.
func (s *Service) Bound(orders, keys, lowered int) { s.most = limits{orders, keys, lowered} }
