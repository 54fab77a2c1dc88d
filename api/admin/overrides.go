package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/elbow-lb/elbow/internal/control"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 10

// readBody decodes the body of a request into v, which stays as it is when there is
// none.
func readBody(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("the body must be JSON: %w", err)
	}
	if d.More() {
		return errors.New("the body must be one JSON value")
	}
	return nil
}

func (h *handler) overrides(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, h.control.Overrides())
}

func (h *handler) override(action control.TargetAction) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var ref control.TargetRef
		err := readBody(w, r, &ref)
		if err == nil && (ref.TargetGroup == "" || ref.ID == "") {
			err = errors.New("target_group and id must be given")
		}
		if err != nil {
			fail(w, http.StatusBadRequest, &Failure{Reason: ReasonInvalidRequest, Message: err.Error()})
			return
		}
		o, err := h.control.OverrideTarget(context.WithoutCancel(r.Context()), action, ref)
		overridden(w, o, err)
	}
}

func (h *handler) clearOverrides(w http.ResponseWriter, r *http.Request) {
	var ref control.TargetRef
	err := readBody(w, r, &ref)
	if err == nil && ref != (control.TargetRef{}) && (ref.TargetGroup == "" || ref.ID == "") {
		err = errors.New("target_group and id must both be given, or nothing at all")
	}
	if err != nil {
		fail(w, http.StatusBadRequest, &Failure{Reason: ReasonInvalidRequest, Message: err.Error()})
		return
	}
	o, err := h.control.ClearOverrides(context.WithoutCancel(r.Context()), ref)
	overridden(w, o, err)
}

// overridden answers with the overrides in force, or with why nothing changed.
func overridden(w http.ResponseWriter, o control.Overrides, err error) {
	var refused *control.OverrideError
	switch {
	case err == nil:
		answer(w, http.StatusOK, o)
	case errors.As(err, &refused) && refused.Unknown:
		fail(w, http.StatusNotFound, &Failure{Reason: ReasonUnknownTarget, Message: err.Error()})
	case errors.As(err, &refused):
		fail(w, http.StatusBadRequest, &Failure{Reason: ReasonInvalidRequest, Message: err.Error()})
	case errors.Is(err, control.ErrEnding):
		fail(w, http.StatusServiceUnavailable, &Failure{Reason: ReasonDraining, Message: err.Error()})
	default:
		fail(w, http.StatusInternalServerError, &Failure{Reason: ReasonFailed, Message: err.Error()})
	}
}

// OverrideTarget registers, deregisters or drains a target, and returns the
// overrides then in force and the answer as it came. When that is refused the error
// is a *Failure.
func (c *Client) OverrideTarget(ctx context.Context, action control.TargetAction, ref control.TargetRef) (control.Overrides, []byte, error) {
	return c.overrides(ctx, http.MethodPost, "/targets/"+string(action), &ref)
}

// ClearOverrides takes back the overrides of a target, or with nil all of them.
func (c *Client) ClearOverrides(ctx context.Context, ref *control.TargetRef) (control.Overrides, []byte, error) {
	return c.overrides(ctx, http.MethodPost, "/targets/clear", ref)
}

// Overrides returns the overrides in force.
func (c *Client) Overrides(ctx context.Context) (control.Overrides, []byte, error) {
	return c.overrides(ctx, http.MethodGet, "/targets/overrides", nil)
}

func (c *Client) overrides(ctx context.Context, method, path string, ref *control.TargetRef) (o control.Overrides, raw []byte, err error) {
	var body io.Reader
	if ref != nil {
		text, err := json.Marshal(ref)
		if err != nil {
			return o, nil, err
		}
		body = bytes.NewReader(text)
	}
	raw, err = c.send(ctx, method, path, body, &o)
	return o, raw, err
}
