package adminclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tidegate/tidegate/api"
)

// CreateKey makes an admin key. It returns fault.Invalid of the field name or roles, and what Call returns.
func (c *Client) CreateKey(ctx context.Context, name string, roles []string) (created api.CreatedKey, err error) {
	input := api.KeyInput{Name: name, Roles: make([]api.Role, len(roles))}
	for i, role := range roles {
		input.Roles[i] = api.Role(role)
	}
	err = c.JSON(ctx, http.MethodPost, "/v1/admin/keys", input, &created)
	return created, err
}

// Keys returns every admin key, revoked ones too, oldest first. It returns what Call returns.
func (c *Client) Keys(ctx context.Context) ([]api.Key, error) {
	const pageMax = "200"
	query := url.Values{"limit": {pageMax}}
	all := []api.Key{}
	for {
		var page api.KeyPage
		if err := c.JSON(ctx, http.MethodGet, "/v1/admin/keys?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// RevokeKey ends the admin key of the id. It returns fault.Invalid for what is no id, fault.NotFound for a key that is not
// there, and what Call returns.
func (c *Client) RevokeKey(ctx context.Context, key string) error {
	return c.JSON(ctx, http.MethodDelete, "/v1/admin/keys/"+url.PathEscape(key), nil, nil)
}
