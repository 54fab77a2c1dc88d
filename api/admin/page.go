package admin

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"github.com/elbow-lb/elbow/internal/control"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"time":  func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
	"short": func(hash string) string { return hash[:min(len(hash), 12)] },
}).Parse(pageHTML))

// page is what page.html shows.
type page struct {
	control.Status
	Endpoints []Endpoint
}

// writePage shows the state to a person with a browser. Nothing is written when
// it returns an error.
func writePage(w http.ResponseWriter, p page) error {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// The page needs nothing but itself; whatever a name in a configuration
	// might smuggle in is not run.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	w.Write(b.Bytes())
	return nil
}
