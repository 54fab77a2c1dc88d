package admin

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"

	"net/http/httptest"

	"github.com/elbow-lb/elbow/internal/control"
)

func TestOverrideEndpoints(t *testing.T) {
	c := ready()
	h := newHandler(c, zap.NewNop())
	f := func(path, body string, want int, wantBody string) {
		t.Helper()
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(body))
		h.ServeHTTP(w, r)
		if w.Code != want || !strings.Contains(w.Body.String(), wantBody) {
			t.Errorf("%s %s: %d %s; want %d %s", path, body, w.Code, w.Body, want, wantBody)
		}
	}
	f("/targets/drain", `{"target_group": "web", "id": "10.0.0.1", "port": 80}`, 200, `"action": "drain"`)
	f("/targets/register", `{"target_group": "web", "id": "10.0.0.1", "zone": "a"}`, 200, `"zone": "a"`)
	f("/targets/deregister", `{"target_group": "web"}`, 400, "invalid_request")
	f("/targets/deregister", ``, 400, "invalid_request")
	f("/targets/deregister", `{"target": "web"}`, 400, "unknown field")
	f("/targets/deregister", `{"target_group": "web", "id": "a", "port": 70000}`, 400, "invalid_request")
	f("/targets/deregister", `{} {}`, 400, "one JSON value")
	f("/targets/deregister", `"`+strings.Repeat("x", maxBody)+`"`, 400, "too large")
	f("/targets/clear", `{"target_group": "web"}`, 400, "invalid_request")
	f("/targets/clear", `{"target_group": "web", "id": "10.0.0.1"}`, 200, `"targets"`)
	if c.cleared.ID != "10.0.0.1" {
		t.Errorf("%+v", c.cleared)
	}
	f("/targets/clear", ``, 200, `"targets"`)
	if c.cleared != (control.TargetRef{}) {
		t.Errorf("%+v", c.cleared)
	}
	body := `{"target_group": "web", "id": "10.0.0.1"}`
	c.refuse = &control.OverrideError{Unknown: true, Message: "none"}
	f("/targets/drain", body, http.StatusNotFound, "unknown_target")
	c.refuse = &control.OverrideError{Message: "wrong"}
	f("/targets/drain", body, http.StatusBadRequest, "invalid_request")
	c.refuse = control.ErrEnding
	f("/targets/drain", body, http.StatusServiceUnavailable, "draining")
	c.refuse = errors.New("disk full")
	f("/targets/drain", body, http.StatusInternalServerError, "disk full")
}
