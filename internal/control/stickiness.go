package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/balancer/sticky"
	"github.com/elbow-lb/elbow/config"
)

// stickinessKeyFile is the key file in the state directory.
const stickinessKeyFile = "stickiness.keys"

// maxKeyFile bounds a key file, in bytes: room for all the keys that it may
// have, and for comments.
const maxKeyFile = 64 << 10

// stickinessKeys are the keys in force, and where they are from.
type stickinessKeys struct {
	keys *sticky.Keys
	file []byte // the content of the key file; nil for keys in memory
}

// loadKeys returns the keys that m asks for: those of its key file, else those
// of the state directory, else one in memory that lasts as long as the process.
// A file that does not exist is made. The caller holds change.
func (c *Controller) loadKeys(m *config.Model) (stickinessKeys, error) {
	path := m.StickinessKeyFile
	switch {
	case path != "": // made even before anything needs it, so that it can be copied to other nodes
	case !m.Sticks():
		return c.sticky, nil
	case c.opt.StateDirectory != "":
		path = filepath.Join(c.opt.StateDirectory, stickinessKeyFile)
	case c.sticky.keys != nil:
		return c.sticky, nil
	default:
		c.log.Warn("stickiness cookies are sealed with a key in memory: a restart forgets which client stuck to which target, and no other node honours them; set stickiness.key_file")
		return stickinessKeys{keys: sticky.NewKeys()}, nil
	}
	file, err := c.readKeyFile(path)
	if err != nil {
		return stickinessKeys{}, fmt.Errorf("stickiness.key_file: %w", err)
	}
	keys, err := sticky.ParseKeys(file)
	if err != nil {
		return stickinessKeys{}, fmt.Errorf("stickiness.key_file %s: %w", path, err)
	}
	return stickinessKeys{keys, file}, nil
}

// readKeyFile reads a key file, making it if need be.
func (c *Controller) readKeyFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		made := sticky.GenerateFile()
		_, err = f.Write(made)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return nil, errors.Join(err, os.Remove(path))
		}
		c.log.Info("stickiness key file made", zap.String("path", path))
		return made, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := config.CheckSecretFile(path); err != nil {
		return nil, err
	}
	f, err = os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than %d bytes, more than any key file needs", path, maxKeyFile)
	}
	return data, nil
}

// keysChanged tells whether the key file says something else than the keys in
// force: it may have been rotated while the configuration stayed. What cannot be
// read counts as changed, so that it is reported. The caller holds change.
func (c *Controller) keysChanged(m *config.Model) bool {
	if c.sticky.file == nil {
		return false
	}
	now, err := c.loadKeys(m)
	return err != nil || !bytes.Equal(now.file, c.sticky.file)
}
