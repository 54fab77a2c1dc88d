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
	// MaxFiles bounds how many configuration files one load may read, how many
	// entries include may have and how many files ${file:…} may name.
	MaxFiles = 1000
	// MaxMarks bounds the punctuation that separates values, in all
	// configuration files together: "," "[" and "{" count twice, ":" "&" "!" and,
	// before a blank, "-" and "?" count once, and so does the "#" of a comment.
	// It stands for the number of values, which is known only when the memory
	// for them was spent: up to 350 MiB at this many. A target takes about ten,
	// a rule thirty.
	MaxMarks = 450_000
	// MaxIncludeDepth bounds how deep include may nest; the main file is at 0.
	MaxIncludeDepth = 16
	// MaxDepth bounds how deep lists and maps may nest in a file.
	MaxDepth = 64
	// MaxAliasNodes bounds how many values the YAML aliases of one file may
	// stand for together: the defence against alias bombs. A long text counts
	// once more for every KiB.
	MaxAliasNodes = 100_000
	// MaxValueFileSize bounds a file named by ${file:…}, in bytes.
	MaxValueFileSize = 1 << 20
	// MaxExpansion bounds the text that all ${…} of a load may produce, in
	// bytes.
	MaxExpansion = 16 << 20
	// MaxZones bounds how many zones there may be.
	MaxZones = 1000
	// MaxBinds bounds how many addresses and ports all listeners together may
	// listen on.
	MaxBinds = 1 << 16
	// MaxRegexSize bounds what the regular expressions of all conditions
	// compile to, in bytes: a few characters, such as x{1000}y{1000}, make
	// thousands of instructions.
	MaxRegexSize = 32 << 20
	// MaxDiagnostics bounds how many errors are reported; one more says that
	// there were others.
	MaxDiagnostics = 1000
)
