package config

// Bounds on what a configuration may make this process read, hold or do. They
// keep a hostile or broken file from taking the machine with it; nobody should
// meet one with a configuration written by hand. Passing one is an error with a
// position, never a truncation.
const (
	// MaxFileSize bounds one configuration file, in bytes.
	MaxFileSize = 10 << 20
	// MaxTotalSize bounds all configuration files together, in bytes.
	MaxTotalSize = 32 << 20
	// MaxFiles bounds how many configuration files one load may read.
	MaxFiles = 1000
	// MaxIncludeDepth bounds how deep include may nest; the main file is at 0.
	MaxIncludeDepth = 16
	// MaxDepth bounds how deep lists and maps may nest in a file.
	MaxDepth = 64
	// MaxAliasNodes bounds how many values the YAML aliases of one file may
	// stand for together: the defence against alias bombs.
	MaxAliasNodes = 100_000
	// MaxValueFileSize bounds a file named by ${file:…}, in bytes.
	MaxValueFileSize = 1 << 20
	// MaxExpansion bounds the text that all ${…} of a load may produce, in
	// bytes.
	MaxExpansion = 16 << 20
	// MaxDiagnostics bounds how many errors are reported; one more says that
	// there were others.
	MaxDiagnostics = 1000
)
