package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/elbow-lb/elbow/listener/application"
)

// maxQuestion bounds the body of POST /explain, in bytes: more than any head that
// would not be refused.
const maxQuestion = 256 << 10

// explain answers from the snapshot in force. Nothing is sent to a target.
func (h *handler) explain(w http.ResponseWriter, r *http.Request) {
	var q application.Question
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		fail(w, http.StatusBadRequest, &Failure{Reason: ReasonBadQuestion, Message: "not a question: " + err.Error()})
		return
	}
	s := h.control.Snapshot()
	if s == nil {
		fail(w, http.StatusServiceUnavailable, &Failure{Reason: ReasonFailed, Message: "there is no configuration in force yet"})
		return
	}
	e, err := application.Explain(s, &q)
	if err != nil {
		fail(w, http.StatusBadRequest, &Failure{Reason: ReasonBadQuestion, Message: err.Error()})
		return
	}
	answer(w, http.StatusOK, e)
}

// Explain asks the daemon what would become of a request. An error about the request
// is a *Failure with ReasonBadQuestion.
func (c *Client) Explain(ctx context.Context, q *application.Question) (*application.Explanation, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	var e application.Explanation
	if _, err := c.send(ctx, http.MethodPost, "/explain", bytes.NewReader(body), &e); err != nil {
		return nil, err
	}
	return &e, nil
}
