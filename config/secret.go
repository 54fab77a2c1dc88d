package config

import (
	"fmt"
	"io/fs"
	"os"
)

// MaxSecretMode is the most open mode of a file that holds a secret: its owner
// may do what it likes, its group and others nothing.
const MaxSecretMode fs.FileMode = 0o700

// CheckSecretFile refuses a file that holds a secret, such as a private key,
// and that its group or others may read, write or run. Links are followed: what
// counts is the file that would be read.
func CheckSecretFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fileError(err, path)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if open := info.Mode().Perm() &^ MaxSecretMode; open != 0 {
		return fmt.Errorf("%s holds a secret but its mode %04o lets others use it; run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return nil
}
