package lbtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Script is a parsed spec script.
type Script struct {
	// Requirement is the comment that the script begins with: the sentence
	// that it holds the load balancer to.
	Requirement string

	archive  *Archive
	commands []command
}

// command is one line of a script.
type command struct {
	line       int
	text       string
	words      []word
	background bool
}

// word is one word of a command. Variables are expanded when it is run, because
// a port is known only then, and not in a word in single quotes.
type word struct {
	text    string
	literal bool
}

// ParseScript parses a spec script.
func ParseScript(data []byte) (*Script, error) {
	a, err := ParseArchive(data)
	if err != nil {
		return nil, err
	}
	s := &Script{archive: a}
	for i, line := range strings.Split(a.Text, "\n") {
		c := command{line: i + 1, text: strings.TrimSpace(line)}
		if comment, ok := strings.CutPrefix(c.text, "#"); ok {
			if len(s.commands) == 0 {
				s.Requirement = strings.TrimSpace(s.Requirement + " " + strings.TrimSpace(comment))
			}
			continue
		}
		if c.words, err = split(c.text); err != nil {
			return nil, fmt.Errorf("line %d: %w", c.line, err)
		}
		if len(c.words) == 0 {
			continue
		}
		if last := len(c.words) - 1; c.words[last].text == "&" {
			c.words, c.background = c.words[:last], true
		}
		s.commands = append(s.commands, c)
	}
	s.Requirement = strings.TrimPrefix(s.Requirement, "Requirement: ")
	if s.Requirement == "" {
		return nil, errors.New("a script begins with a comment: the requirement, and where it comes from")
	}
	if len(s.commands) == 0 {
		return nil, errors.New("there is no command")
	}
	return s, nil
}

// Uses tells whether any command begins with these words.
func (s *Script) Uses(words ...string) bool {
	for _, c := range s.commands {
		same := len(c.words) >= len(words)
		for i := range words {
			same = same && c.words[i].text == words[i]
		}
		if same {
			return true
		}
	}
	return false
}

// split cuts a line into words at spaces. "…" keeps spaces and knows Go's
// escapes; '…' keeps everything as it stands. Both may be part of a word, and a
// " # " ends the line.
func split(line string) ([]word, error) {
	var words []word
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			return words, nil
		}
		var w word
		for line != "" && line[0] != ' ' && line[0] != '\t' {
			switch line[0] {
			case '"':
				quoted, err := strconv.QuotedPrefix(line)
				if err != nil {
					return nil, fmt.Errorf("no valid \"quoted\" text: %s", line)
				}
				text, err := strconv.Unquote(quoted)
				if err != nil {
					return nil, fmt.Errorf("%w: %s", err, quoted)
				}
				w.text += text
				line = line[len(quoted):]
			case '\'':
				end := strings.IndexByte(line[1:], '\'')
				if end < 0 {
					return nil, fmt.Errorf("no closing ' in %s", line)
				}
				w.text += line[1 : 1+end]
				w.literal = true
				line = line[2+end:]
			default:
				w.text += line[:1]
				line = line[1:]
			}
		}
		words = append(words, w)
	}
}
