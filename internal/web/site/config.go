package site

import (
	"net/url"
	"time"
	_ "time/tzdata" // zones, on machines that have none

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Config is the pages' part of the configuration.
type Config struct {
	Enabled     bool   `koanf:"enabled" help:"serve the storefront at / and the console at /console beside the API"`
	Name        string `koanf:"name" help:"the shop's name, as its pages say it"`
	PublicURL   string `koanf:"public_url" help:"where shoppers reach the shop, such as https://shop.example; needed where a proxy changes the Host header"`
	TimeZone    string `koanf:"time_zone" help:"the zone that pages and forms write times in, such as Europe/London"`
	HTTPS       bool   `koanf:"https" help:"shoppers reach the shop over HTTPS (through a proxy, mostly): cookies are then sent over HTTPS alone"`
	PagesMaxMiB int    `koanf:"pages_max_mib" help:"memory for rendered pages, 1 to 4096"`
	ViewersMax  int    `koanf:"viewers_max" help:"shoppers who are sent a sale's numbers as they change, 0 to 1000000; further ones ask every few seconds"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Enabled: true, Name: "Tidegate", TimeZone: "UTC", PagesMaxMiB: 64, ViewersMax: 8000}
}

// nameMax bounds the shop's name, in characters: it stands at the top of a phone's screen.
const nameMax = 40

// zone returns the shop's time zone. It returns fault.Invalid for a name that is none.
func (c Config) zone() (*time.Location, error) {
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil || c.TimeZone == "" || c.TimeZone == "Local" {
		return nil, fault.Bad("time_zone", "the name of a zone, such as UTC, Europe/London or Asia/Shanghai, not %q", c.TimeZone)
	}
	return zone, nil
}

// Validate returns a fault.Invalid for the first value that is not allowed.
func (c Config) Validate() error {
	if _, err := text.Clean("name", c.Name, text.Line, 1, nameMax); err != nil {
		return err
	}
	if _, err := c.zone(); err != nil {
		return err
	}
	switch {
	case c.PagesMaxMiB < 1 || c.PagesMaxMiB > 4096:
		return fault.Bad("pages_max_mib", "a number from 1 to 4096, not %d", c.PagesMaxMiB)
	case c.ViewersMax < 0 || c.ViewersMax > 1_000_000:
		return fault.Bad("viewers_max", "a number from 0 to 1000000, not %d", c.ViewersMax)
	case c.PublicURL == "":
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return fault.Bad("public_url", "an address such as https://shop.example, not %q", c.PublicURL)
	}
	return nil
}
