package http1

import "github.com/elbow-lb/elbow/internal/httpmsg"

// IsOriginForm reports whether v can be sent as a request target in origin-form
// (RFC 9112 section 3.2.1): a path, perhaps with a query.
func IsOriginForm(v []byte) bool {
	if len(v) == 0 || v[0] != '/' {
		return false
	}
	for i := targetEnd(v, 0); i < len(v); i = targetEnd(v, i+1) {
		if v[i] != '?' {
			return false
		}
	}
	return true
}

// parseTarget splits the request target b[start:end] (RFC 9112 section 3.2), all of
// whose bytes are valid; mark is the index of its first '?', or -1.
func parseTarget(h *httpmsg.Head, b []byte, start, end, mark int) Refusal {
	if start == end {
		return BadUri
	}
	if h.MethodID == httpmsg.MethodConnect {
		// CONNECT takes authority-form and nothing else does.
		if _, port := hostPort(b[start:end]); !port {
			return BadUri
		}
		h.Form = httpmsg.AuthorityForm
		h.Authority = h.Target
		return 0
	}
	path := start
	if b[start] != '/' {
		if b[start] == '*' {
			if end-start != 1 || h.MethodID != httpmsg.MethodOptions {
				return BadUri
			}
			h.Form = httpmsg.AsteriskForm
			return 0
		}
		authority := start
		switch {
		case end-start > len("http://") && httpmsg.EqualFold(b[start:start+len("http://")], "http://"):
			authority += len("http://")
		case end-start > len("https://") && httpmsg.EqualFold(b[start:start+len("https://")], "https://"):
			authority += len("https://")
		default:
			return BadUri
		}
		for path = authority; path < end && b[path] != '/' && b[path] != '?'; path++ {
		}
		if ok, _ := hostPort(b[authority:path]); !ok {
			return BadUri
		}
		h.Form = httpmsg.AbsoluteForm
		h.Authority = span(authority, path)
	}
	if mark >= 0 {
		h.HasQuery = true
		h.Query = span(mark+1, end)
		end = mark
	}
	if path < end {
		h.Path = span(path, end)
	}
	return 0
}
