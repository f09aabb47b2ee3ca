package account

// DeviceOf returns what a device is given that has signed in with an address.
func (s *Service) DeviceOf(email string) string { return s.newDevice(email) }
