package balancer

import (
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

func TestResponseHeaders(t *testing.T) {
	r := compileResponseHeaders([]config.Header{{Name: "X-Frame-Options", Value: "DENY"}, {Name: "Access-Control-Max-Age", Value: "600"}})
	if got, want := string(r.Lines), "X-Frame-Options: DENY\r\nAccess-Control-Max-Age: 600\r\n"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
	if cap(r.Lines) != len(r.Lines) {
		t.Error("there is room behind the lines: a composer would write to it")
	}
	var h httpmsg.Head
	const response = "HTTP/1.1 200 OK\r\nX-Frame-Option: a\r\nx-FRAME-options: b\r\nX-Content-Type-Options: c\r\n" +
		"ACCESS-CONTROL-MAX-AGE: d\r\nServer: e\r\nX-Frame-Options:\r\nX-Frame-Optionz: f\r\nContent-Length: 0\r\n\r\n"
	if n, _ := http1.ParseResponse([]byte(response), &h, &http1.DefaultLimits, httpmsg.MethodGet); n == 0 {
		t.Fatal("not parsed")
	}
	r.Replace(&h)
	var kept []string
	for i := range h.Fields {
		if !h.Fields[i].Drop {
			kept = append(kept, string(h.Bytes(h.Fields[i].Name)))
		}
	}
	if got, want := strings.Join(kept, " "), "X-Frame-Option X-Content-Type-Options Server X-Frame-Optionz Content-Length"; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
}

// TestResponseHeadersHaveNoID: Replace looks at fields without an id only.
func TestResponseHeadersHaveNoID(t *testing.T) {
	for _, a := range config.Attributes() {
		word, ok := strings.CutSuffix(strings.TrimPrefix(a.Key, "routing.http.response."), ".header_value")
		if !ok {
			continue
		}
		name := strings.ReplaceAll(word, "_", "-")
		if id := httpmsg.Identify([]byte(name)); id != httpmsg.OtherField {
			t.Errorf("%s has an id", name)
		}
	}
}
