package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// stateFile is what is decided at run time and must outlive the process, in the
// state directory.
const stateFile = "overrides.json"

// stateVersion is that of the file's form.
const stateVersion = 1

// maxStateFile bounds the file, in bytes: a hundred thousand overrides.
const maxStateFile = 32 << 20

// state is what is decided at run time, besides the configuration.
type state struct {
	Version int              `json:"version"`
	Targets []TargetOverride `json:"targets"`
}

// statePath is where the state is kept; "" for nowhere.
func (c *Controller) statePath() string {
	if c.opt.StateDirectory == "" {
		return ""
	}
	return filepath.Join(c.opt.StateDirectory, stateFile)
}

// readState returns what the last process has decided. A file that cannot be read
// is an error rather than no state: targets that were taken out would come back.
func (c *Controller) readState() (state, error) {
	path := c.statePath()
	if path == "" {
		return state{}, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return state{}, nil
	case err == nil && info.Size() > maxStateFile:
		return state{}, fmt.Errorf("state file %s is larger than %d bytes; is it the right file?", path, maxStateFile)
	}
	var s state
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && s.Version != stateVersion {
		err = fmt.Errorf("version %d is not known, only %d", s.Version, stateVersion)
	}
	if err != nil {
		return state{}, fmt.Errorf("state file %s: %w; correct it, or remove it to start without overrides", path, err)
	}
	return s, nil
}

// writeState keeps s, whole or not at all.
func (c *Controller) writeState(s state) error {
	path := c.statePath()
	if path == "" {
		c.log.Warn("what is decided at run time is kept in memory, and a restart forgets it: there is no state directory (STATE_DIRECTORY)")
		return nil
	}
	s.Version = stateVersion
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(path, append(data, '\n')); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}

// replaceFile makes data the content of a file. After a crash the file has the old
// content or the new, and nothing in between.
func replaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
