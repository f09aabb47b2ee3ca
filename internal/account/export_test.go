package account

// DeviceOf returns the device token of a sign-in with an address.
func (s *Service) DeviceOf(email string) string { return s.newDevice(email) }
