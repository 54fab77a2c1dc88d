package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard lets a request through to next unless it came by a browser that a web
// page of somebody else's made send it.
func guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection() // methods that change something, by Sec-Fetch-Site and Origin
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, &Failure{
			Reason:  ReasonCrossOrigin,
			Message: "this request comes from another web site, and would change something",
		})
	}))
	inner := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if overTCP(r) && !loopbackHost(r.Host) {
			// A name that resolves to a loopback address may be anybody's:
			// a page of that name would be of the same origin as the API.
			fail(w, http.StatusForbidden, &Failure{
				Reason:  ReasonForbiddenHost,
				Message: "the host must be localhost or a loopback address; use http://localhost, or the unix socket",
			})
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func overTCP(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return !ok || local.Network() != "unix"
}

// loopbackHost tells whether a Host header, with or without a port, is localhost
// or a loopback address.
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		name = strings.TrimSuffix(inner, "]")
	}
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}
