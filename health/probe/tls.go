package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// tlsConfig is how a check speaks TLS. Each has a full handshake of its own: a
// resumed session would not prove that the target still has its key, and saves
// no more than a quarter of a check's CPU.
func tlsConfig(serverName string) *tls.Config {
	return &tls.Config{
		// ELB does not verify targets: they carry self-signed or expired
		// certificates, and what a check asks for is no secret.
		InsecureSkipVerify: true,
		// ELB still speaks to TLS 1.0 targets, and to those without ECDHE.
		MinVersion:       tls.VersionTLS10,
		CipherSuites:     cipherSuites,
		CurvePreferences: classicalGroups,
		ServerName:       serverName,
	}
}

// classicalGroups are the key exchanges that are offered first. The default has
// hybrids with ML-KEM before them, for which a client makes keys whether or not
// the target knows them: 600 µs of CPU for a check instead of 410. Nothing in a
// check needs to stay secret for decades.
var classicalGroups = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// cipherSuites are, for TLS up to 1.2, those that ELB offers targets
// (ELBSecurityPolicy-2016-08), as far as crypto/tls has them: all that it holds
// to be secure, and some that it does not.
var cipherSuites = func() []uint16 {
	ids := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	}
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	return ids
}()

// widen tells whether another connection may go better than the one that failed
// with err: the target refused the handshake that it was offered, and there is
// more to offer. From then on this target is offered all.
func (p *httpProber) widen(ctx context.Context, err error) bool {
	var refused *net.OpError
	if p.tls == nil || p.tls.CurvePreferences == nil || ctx.Err() != nil ||
		!errors.As(err, &refused) || refused.Op != "remote error" { // crypto/tls: an alert
		return false
	}
	p.tls = p.tls.Clone()
	p.tls.CurvePreferences = nil
	return true
}
