package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/setting"
)

// GetSettings implements api.ServerInterface.
func (s *Server) GetSettings(w http.ResponseWriter, r *http.Request) {
	state := s.Settings.Settings()
	out := api.Settings{Change: state.Change, Items: make([]api.Setting, len(state.Settings))}
	for i, one := range state.Settings {
		v := api.Setting{
			Path: one.Path, Value: one.Value, Live: one.Live, Origin: api.SettingOrigin(one.Origin), Source: one.Where,
			EnvironmentVariable: one.Env, Description: one.Help,
		}
		if b := one.Below; b != nil {
			v.Below = &api.SettingBelow{Value: b.Value, Origin: api.SettingOrigin(b.Origin), Source: b.Where}
		}
		out.Items[i] = v
	}
	s.answer(w, r, http.StatusOK, out)
}

func viewSettingChange(c *setting.Listed) api.SettingChange {
	return api.SettingChange{
		Number: c.Number, Set: c.Set, Unset: c.Unset, Before: c.Before, Undoes: c.Undoes,
		Actor: c.Actor, KeyId: c.Key, Reason: c.Reason, CreatedAt: api.At(c.At),
	}
}

// ChangeSettings implements api.ServerInterface.
func (s *Server) ChangeSettings(w http.ResponseWriter, r *http.Request) {
	var in api.SettingsInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	who := admin(w)
	c, err := s.Settings.Set(s.because(r, w.(*exchange), in.Reason), setting.Edit{
		Set: in.Set, Unset: in.Unset, Reason: in.Reason, Actor: who.Name, Key: who.Key,
	})
	s.answerSettingChange(w, r, c, err)
}

// UndoSettings implements api.ServerInterface.
func (s *Server) UndoSettings(w http.ResponseWriter, r *http.Request) {
	var in api.SettingsUndoInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	if in.Number < 0 {
		s.fail(w, r, fault.Bad("number", "It must be the number of a change, from 1."))
		return
	}
	who := admin(w)
	c, err := s.Settings.Undo(s.because(r, w.(*exchange), in.Reason), setting.Undo{
		Number: in.Number, Reason: in.Reason, Actor: who.Name, Key: who.Key,
	})
	s.answerSettingChange(w, r, c, err)
}

func (s *Server) answerSettingChange(w http.ResponseWriter, r *http.Request, c setting.Change, err error) {
	var listed setting.Listed
	if err == nil {
		listed, err = s.Settings.Describe(r.Context(), c)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, viewSettingChange(&listed))
}

// ListSettingChanges implements api.ServerInterface.
func (s *Server) ListSettingChanges(w http.ResponseWriter, r *http.Request, params api.ListSettingChangesParams) {
	limit, before, err := pageOf[int64](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Settings.Changes(r.Context(), before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(c *setting.Listed) int64 { return c.Number })
	answer := api.SettingChangePage{Items: make([]api.SettingChange, len(items)), NextCursor: next}
	for i := range items {
		answer.Items[i] = viewSettingChange(&items[i])
	}
	s.answer(w, r, http.StatusOK, answer)
}
