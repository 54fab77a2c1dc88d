package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// regex compiles a regular expression of a condition, or says what is wrong
// with it. fold makes case not matter.
func (b *builder) regex(text string, fold bool) (re *regexp.Regexp, problem string) {
	tooLarge := fmt.Sprintf("all regular expressions together compile to more than %d MiB; write shorter repetitions", MaxRegexSize>>20)
	if b.regexSize > MaxRegexSize {
		return nil, tooLarge
	}
	// Parsed by itself as well, so that a text such as "a)(b" is refused.
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err == nil && fold {
		text = "(?i:" + text + ")"
		parsed, err = syntax.Parse(text, syntax.Perl)
	}
	if err == nil {
		var size int
		if size, err = compiledSize(parsed); err == nil {
			if b.regexSize += size; b.regexSize > MaxRegexSize {
				return nil, tooLarge
			}
			re, err = regexp.Compile(text)
		}
	}
	if err == nil {
		return re, ""
	}
	problem = "must be a regular expression of RE2"
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		problem += " (" + wrong.Code.String() + ")"
	}
	return nil, problem
}

// compiledSize says about how many bytes a regular expression compiles to.
func compiledSize(re *syntax.Regexp) (int, error) {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0, err
	}
	const instruction, character = 40, 4 // sizes of syntax.Inst and of a rune
	size := instruction * len(prog.Inst)
	for i := range prog.Inst {
		size += character * len(prog.Inst[i].Rune)
	}
	return size, nil
}
