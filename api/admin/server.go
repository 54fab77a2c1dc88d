package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/netutil"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/internal/control"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// Controller is what the API asks and tells; *control.Controller is one. All
// methods are called concurrently.
type Controller interface {
	// Status returns the present state.
	Status() control.Status
	// Ready tells whether the process should be sent traffic.
	Ready() bool
	// Snapshot returns what requests are decided by now; nil before the first
	// configuration.
	Snapshot() *balancer.Snapshot
	// Metrics returns the metrics of the data plane.
	Metrics() *metrics.Registry
	// Reload reads the configuration and makes it take effect, or changes
	// nothing and says why.
	Reload(context.Context) error
	// OverrideTarget registers, deregisters or drains a target; ClearOverrides
	// takes that back; Overrides tells what is in force.
	OverrideTarget(context.Context, control.TargetAction, control.TargetRef) (control.Overrides, error)
	ClearOverrides(context.Context, control.TargetRef) (control.Overrides, error)
	Overrides() control.Overrides
	// ReopenLogs opens the access log anew.
	ReopenLogs() error
}

// Options say where the API listens.
type Options struct {
	// Socket is the path of the unix socket; "" means none. Where it is
	// DefaultSocket and must not be written, a path of the user's is tried,
	// and none is no error.
	Socket string
	// Listen is a loopback TCP address; the zero value means none.
	Listen netip.AddrPort
	// Log is told where the API listens and what goes wrong; nil means silence.
	Log *zap.Logger
}

// Bounds on what a client may make the server hold. Clients are local people
// and programs that ask now and then.
const (
	maxConnections = 128 // per listener; further ones wait
	maxHeaderBytes = 16 << 10
	readTimeout    = 5 * time.Second // of a whole request: none needs a body
	writeTimeout   = time.Minute     // a reload may have to wait for names and sockets
	idleTimeout    = time.Minute
)

// Server answers the API.
type Server struct {
	log       *zap.Logger
	socket    string // where the socket is; "" for none
	listeners []net.Listener
	http      *http.Server
	serving   sync.WaitGroup
}

// Listen takes the addresses of the API. It does not answer before Serve, but
// connections already queue.
func Listen(opt Options) (*Server, error) {
	s := &Server{log: opt.Log}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if opt.Socket != "" {
		l, err := s.listenSocket(opt.Socket, opt.Socket == DefaultSocket)
		if err != nil {
			return nil, err
		}
		if l != nil {
			s.socket = l.Addr().String()
			s.listeners = append(s.listeners, l)
		}
	}
	if opt.Listen.IsValid() {
		l, err := net.Listen("tcp", opt.Listen.String())
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("admin.listen: %w; see who has it with: ss -ltnp 'sport = :%d'", err, opt.Listen.Port())
		}
		s.listeners = append(s.listeners, l)
	}
	return s, nil
}

// listenSocket listens at path or, where nobody asked for that one, at another
// that the user may write. No socket at all is no error then.
func (s *Server) listenSocket(path string, byDefault bool) (net.Listener, error) {
	l, err := listenSocket(path)
	if err == nil || !byDefault || !unwritable(err) {
		return asListener(l), err
	}
	own := userSocket()
	if own == "" {
		s.log.Warn("no admin socket: the default path cannot be written; set admin.socket to one that can", zap.Error(err))
		return nil, nil
	}
	s.log.Warn("the default admin socket cannot be written; using the user's own", zap.String("socket", own), zap.Error(err))
	l, err = listenSocket(own)
	return asListener(l), err
}

// asListener keeps a nil pointer from becoming a listener that is not nil.
func asListener(l *net.UnixListener) net.Listener {
	if l == nil {
		return nil
	}
	return l
}

// unwritable tells whether err says that this user cannot make files there.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// Socket returns the path of the unix socket; "" where there is none.
func (s *Server) Socket() string { return s.socket }

// Addrs returns all that the API listens on.
func (s *Server) Addrs() []net.Addr {
	var all []net.Addr
	for _, l := range s.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Serve begins to answer for c. It returns at once; Close ends it.
func (s *Server) Serve(c Controller) {
	s.http = &http.Server{
		Handler:        newHandler(c, s.log),
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       zap.NewStdLog(s.log),
	}
	for _, l := range s.listeners {
		s.log.Info("admin API", zap.Stringer("address", l.Addr()))
		s.serving.Go(func() { s.serve(l) })
	}
}

func (s *Server) serve(l net.Listener) {
	if err := s.http.Serve(netutil.LimitListener(l, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("the admin API does not answer any more", zap.Stringer("address", l.Addr()), zap.Error(err))
	}
}

// Close stops answering, once the answers under way are given but after a second
// at the latest, and removes the socket.
func (s *Server) Close() {
	if s.http == nil {
		for _, l := range s.listeners {
			l.Close()
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.serving.Wait()
}

// closeTimeout bounds how long Close waits for answers under way.
const closeTimeout = time.Second
