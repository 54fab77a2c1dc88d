// Package deploy holds no code: it is the folder of what is shipped beside the
// binary. Its tests hold those files to the program, so that an example that no
// longer loads or an alert on a metric that no longer exists fails a build.
package deploy
