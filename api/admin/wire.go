package admin

import (
	"github.com/elbow-lb/elbow/config"
)

// Failure is the answer to a request that could not be done. As an error it is
// what a Client's call returns.
type Failure struct {
	// Message says what is wrong and what to do, for people.
	Message string `json:"error"`
	// Reason is the same in a word, for programs.
	Reason Reason `json:"reason"`
	// Diagnostics are all that is wrong with a configuration, where Reason is
	// ReasonInvalidConfiguration.
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
	// Endpoints are what there is, where Reason is ReasonNotFound.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
}

func (f *Failure) Error() string { return f.Message }

// Reason is why a request could not be done.
type Reason string

// The reasons.
const (
	ReasonInvalidConfiguration Reason = "invalid_configuration" // 422: the file is wrong
	ReasonCannotBind           Reason = "cannot_bind"           // 422: an address cannot be listened on
	ReasonNoPermission         Reason = "no_permission"         // 422: a file that the configuration names must not be opened
	ReasonCannotApply          Reason = "cannot_apply"          // 422: something else that the configuration asks for
	ReasonDraining             Reason = "draining"              // 503: the daemon is about to end
	ReasonInvalidRequest       Reason = "invalid_request"       // 400: what was sent is not understood
	ReasonUnknownTarget        Reason = "unknown_target"        // 404: there is no such target, target group or zone
	ReasonNotFound             Reason = "not_found"             // 404: there is no such endpoint
	ReasonMethodNotAllowed     Reason = "method_not_allowed"    // 405
	ReasonBadQuestion          Reason = "bad_question"          // 400: POST /explain asks about what is no request, or not listened for
	ReasonForbiddenHost        Reason = "forbidden_host"        // 403: the Host header names no loopback host
	ReasonCrossOrigin          Reason = "cross_origin"          // 403: another web site asked a browser to send this
	ReasonFailed               Reason = "failed"                // 500
)

// Diagnostic is a config.Diagnostic.
type Diagnostic struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Snippet string `json:"snippet,omitempty"`
}

func diagnostics(ds config.Diagnostics) []Diagnostic {
	all := make([]Diagnostic, len(ds))
	for i, d := range ds {
		all[i] = Diagnostic{d.Position.File, d.Position.Line, d.Position.Column, d.Path, d.Message, d.Snippet}
	}
	return all
}

// Config returns the diagnostics as what they were in the daemon.
func (f *Failure) Config() config.Diagnostics {
	all := make(config.Diagnostics, len(f.Diagnostics))
	for i, d := range f.Diagnostics {
		all[i] = config.Diagnostic{
			Position: config.Position{File: d.File, Line: d.Line, Column: d.Column},
			Path:     d.Path, Message: d.Message, Snippet: d.Snippet,
		}
	}
	return all
}

// Reloaded is the answer of POST /reload: the configuration now in force.
type Reloaded struct {
	Generation uint64 `json:"generation"`
	Hash       string `json:"hash"`
}

// Readiness is the answer of GET /readyz.
type Readiness struct {
	Ready bool `json:"ready"`
	// Reason is why not: "draining", or "starting" before there is a
	// configuration in force.
	Reason string `json:"reason,omitempty"`
}

// ConfigFiles is the answer of GET /config: what the configuration in force was
// read from, but not what it says.
type ConfigFiles struct {
	Generation uint64   `json:"generation"`
	Hash       string   `json:"hash"`
	Files      []string `json:"files"`
	Includes   []string `json:"includes,omitempty"` // patterns
}

// Endpoint is one thing that the API can be asked.
type Endpoint struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Doc    string `json:"doc"`
}
