package adminclient

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func onTarget(t *testing.T, target Target, fn func(*Client)) {
	t.Helper()
	shop, err := NewTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	fn(shop)
	if err := shop.Close(); err != nil {
		t.Error(err)
	}
}

func TestATargetIsAnAddressAndAKey(t *testing.T) {
	for _, bad := range []Target{
		{"127.0.0.1:8080", "tgk_1_x"}, {"ftp://shop.example.com", "tgk_1_x"}, {"http://", "tgk_1_x"}, {"http://%zz", "tgk_1_x"},
		{"http://127.0.0.1:8080", ""},
	} {
		if c, err := NewTarget(bad); err == nil {
			t.Errorf("%+v: %+v", bad, c)
		}
	}
}

func TestKeysOfATarget(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer tgk_1_x":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"type":"x","title":"Sign in first","status":401,"code":"unauthenticated","number":4010,"detail":"No."}`))
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Query().Get("cursor") == "":
			_, _ = w.Write([]byte(`{"items":[{"id":"7","name":"a","roles":["all"],"created_at":"2026-11-27T12:00:00.000Z"}],"next_cursor":"i-7"}`))
		default:
			_, _ = w.Write([]byte(`{"items":[{"id":"8","name":"b","roles":["all"],"created_at":"2026-11-27T12:00:00.000Z"}]}`))
		}
	}))
	defer server.Close()
	onTarget(t, Target{URL: server.URL, AdminKey: "tgk_1_x"}, func(shop *Client) {
		listed, err := shop.Keys(t.Context())
		if err != nil || len(listed) != 2 || listed[1].Id != 8 {
			t.Errorf("Keys = %+v, %v", listed, err)
		}
		if err := shop.RevokeKey(t.Context(), "7"); err != nil {
			t.Errorf("RevokeKey: %v", err)
		}
	})
	onTarget(t, Target{URL: server.URL, AdminKey: "tgk_2_y"}, func(shop *Client) {
		if _, err := shop.Keys(t.Context()); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("another key: %v", err)
		}
	})
}
