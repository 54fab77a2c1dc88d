package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/control"
)

// handler answers all endpoints.
type handler struct {
	control   Controller
	log       *zap.Logger
	endpoints []endpoint
}

// endpoint is an Endpoint with what answers it.
type endpoint struct {
	Endpoint
	serve http.HandlerFunc
}

func newHandler(c Controller, log *zap.Logger) http.Handler {
	h := &handler{control: c, log: log}
	h.endpoints = []endpoint{
		{Endpoint{"GET", "/", "this overview: a page for browsers, a list for programs"}, h.index},
		{Endpoint{"GET", "/healthz", "200 while the process works"}, h.healthz},
		{Endpoint{"GET", "/readyz", "200 when a configuration is in force and its listeners are bound; 503 while starting or draining"}, h.readyz},
		{Endpoint{"GET", "/status", "listeners, target groups, the health of every target, and how the last reload ended"}, h.status},
		{Endpoint{"GET", "/config", "hash and files of the configuration in force"}, h.config},
		{Endpoint{"POST", "/explain", "say which listener, rule and targets would serve a request, and why"}, h.explain},
		{Endpoint{"GET", "/metrics", "Prometheus metrics"}, c.Metrics().Handler().ServeHTTP},
		{Endpoint{"POST", "/reload", "read the configuration and wait until it is in force, or learn all that is wrong with it"}, h.reload},
		{Endpoint{"GET", "/targets/overrides", "targets registered, deregistered or drained against what the configuration says"}, h.overrides},
		{Endpoint{"POST", "/targets/register", `add a target, or take back what took it out: {"target_group": "web", "id": "10.0.0.1", "port": 8080, "zone": "a"}`}, h.override(control.RegisterTarget)},
		{Endpoint{"POST", "/targets/deregister", "take a target out of its group: it drains, and is gone"}, h.override(control.DeregisterTarget)},
		{Endpoint{"POST", "/targets/drain", "the same, but the status goes on showing it"}, h.override(control.DrainTarget)},
		{Endpoint{"POST", "/targets/clear", "take back the overrides of one target, or without a body all"}, h.clearOverrides},
		{Endpoint{"POST", "/reopen-logs", "open the access log anew, after it was renamed"}, h.reopenLogs},
	}
	return guard(h)
}

// ServeHTTP finds the endpoint. There are few, and a failure to find one should
// look like all other failures, so there is no mux.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	i := slices.IndexFunc(h.endpoints, func(e endpoint) bool { return e.Path == r.URL.Path })
	if i < 0 {
		fail(w, http.StatusNotFound, &Failure{
			Reason: ReasonNotFound, Message: "there is no " + r.URL.Path, Endpoints: h.list(),
		})
		return
	}
	e := h.endpoints[i]
	if r.Method != e.Method && !(r.Method == http.MethodHead && e.Method == http.MethodGet) {
		w.Header().Set("Allow", e.Method)
		fail(w, http.StatusMethodNotAllowed, &Failure{
			Reason: ReasonMethodNotAllowed, Message: e.Path + " takes " + e.Method + ", not " + r.Method,
		})
		return
	}
	e.serve(w, r)
}

func (h *handler) list() []Endpoint {
	var all []Endpoint
	for _, e := range h.endpoints {
		all = append(all, e.Endpoint)
	}
	return all
}

func (h *handler) index(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		answer(w, http.StatusOK, struct {
			Endpoints []Endpoint `json:"endpoints"`
		}{h.list()})
		return
	}
	if err := writePage(w, page{h.control.Status(), h.list()}); err != nil {
		h.log.Error("admin page", zap.Error(err))
		fail(w, http.StatusInternalServerError, &Failure{Reason: ReasonFailed, Message: err.Error()})
	}
}

func (h *handler) healthz(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

func (h *handler) readyz(w http.ResponseWriter, _ *http.Request) {
	switch {
	case h.control.Ready():
		answer(w, http.StatusOK, Readiness{Ready: true})
	case h.control.Snapshot() == nil:
		answer(w, http.StatusServiceUnavailable, Readiness{Reason: "starting"})
	default:
		answer(w, http.StatusServiceUnavailable, Readiness{Reason: "draining"})
	}
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, h.control.Status())
}

func (h *handler) config(w http.ResponseWriter, _ *http.Request) {
	c := ConfigFiles{Files: []string{}}
	if s := h.control.Snapshot(); s != nil {
		c = ConfigFiles{Generation: s.Generation, Hash: s.Model.Hash, Files: s.Model.Files, Includes: s.Model.Includes}
	}
	answer(w, http.StatusOK, c)
}

func (h *handler) reload(w http.ResponseWriter, r *http.Request) {
	// A client that goes away does not stop a reload half way.
	err := h.control.Reload(context.WithoutCancel(r.Context()))
	var diags config.Diagnostics
	var bind *control.BindError
	switch {
	case err == nil:
		s := h.control.Snapshot()
		answer(w, http.StatusOK, Reloaded{Generation: s.Generation, Hash: s.Model.Hash})
	case errors.As(err, &diags):
		fail(w, http.StatusUnprocessableEntity, &Failure{
			Reason: ReasonInvalidConfiguration, Message: err.Error(), Diagnostics: diagnostics(diags),
		})
	case errors.As(err, &bind):
		fail(w, http.StatusUnprocessableEntity, &Failure{Reason: ReasonCannotBind, Message: err.Error()})
	case errors.Is(err, control.ErrEnding):
		fail(w, http.StatusServiceUnavailable, &Failure{Reason: ReasonDraining, Message: err.Error()})
	case errors.Is(err, fs.ErrPermission):
		fail(w, http.StatusUnprocessableEntity, &Failure{Reason: ReasonNoPermission, Message: err.Error()})
	default:
		fail(w, http.StatusUnprocessableEntity, &Failure{Reason: ReasonCannotApply, Message: err.Error()})
	}
}

func (h *handler) reopenLogs(w http.ResponseWriter, _ *http.Request) {
	if err := h.control.ReopenLogs(); err != nil {
		fail(w, http.StatusInternalServerError, &Failure{Reason: ReasonFailed, Message: err.Error()})
		return
	}
	answer(w, http.StatusOK, struct {
		Reopened bool `json:"reopened"`
	}{true})
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // no type that is answered has such a value
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(body, '\n'))
}

func fail(w http.ResponseWriter, code int, f *Failure) { answer(w, code, f) }
