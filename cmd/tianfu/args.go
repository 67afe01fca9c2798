package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError marks what is wrong with flags and arguments, so that it ends
// with the exit code of invalid input.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// markUsageErrors has the library's words about arguments replaced by sentences
// that say what to give.
func markUsageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{argumentError(c, args, err)}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markUsageErrors(sub)
	}
}

// argumentError says which argument is missing or one too many. What a command
// takes stands in its Use, in capitals, and how to write it in its Example.
func argumentError(c *cobra.Command, args []string, err error) error {
	see := fmt.Sprintf("see %q", c.CommandPath()+" --help")
	if example := exampleOf(c); example != "" {
		see = fmt.Sprintf("for example: %s (%s)", example, see)
	}
	required, all := placesOf(c.Use)
	if len(all) == 0 && c.HasAvailableSubCommands() {
		hint := ""
		if near := nearest(args[0], namesOf(c)); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		return fmt.Errorf("unknown command %q for %q%s (see %q)", args[0], c.CommandPath(), hint, c.CommandPath()+" --help")
	}
	switch {
	case len(args) < len(required):
		return fmt.Errorf("%s; %s", missing(required[len(args):]), see)
	case len(all) == 0:
		return fmt.Errorf("%s takes no arguments, and %q is one; %s", c.CommandPath(), args[0], see)
	case len(args) > len(all) && !strings.HasSuffix(all[len(all)-1], "..."):
		return fmt.Errorf("%q is one argument too many: %s takes %s; %s", args[len(all)], c.CommandPath(), strings.Join(all, " "), see)
	}
	return fmt.Errorf("%w; %s", err, see)
}

// place is an argument in a line of usage: JOB, FILE..., [NAME|FILE].
var place = regexp.MustCompile(`^\[?[A-Z|a-z]+(\.\.\.)?\]?$`)

// placesOf lists the arguments of a line of usage: those that must be given, and
// all. A word after a flag is the flag's.
func placesOf(use string) (required, all []string) {
	words := strings.Fields(use)
	for i := 1; i < len(words); i++ {
		switch w := words[i]; {
		case strings.HasPrefix(strings.TrimLeft(w, "[{"), "--"):
			i++
		case w == "|" || w == "[flags]" || !place.MatchString(w):
			return required, all
		case strings.HasPrefix(w, "["):
			all = append(all, strings.Trim(w, "[]"))
		default:
			required, all = append(required, strings.TrimSuffix(w, "...")), append(all, w)
		}
	}
	return required, all
}

// exampleOf is the first line of a command's examples that runs it.
func exampleOf(c *cobra.Command) string {
	for line := range strings.Lines(c.Example) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, c.CommandPath()) {
			return line
		}
	}
	return ""
}

func namesOf(c *cobra.Command) (names []string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// flagError adds the flag that was perhaps meant.
func flagError(c *cobra.Command, err error) error {
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), known); near != "" {
			hint = fmt.Sprintf("; did you mean --%s?", near)
		}
	}
	return &usageError{fmt.Errorf("%w%s (see %q)", err, hint, c.CommandPath()+" --help")}
}

// missingFlags turns the library's words about required flags, for which it has
// no type, into a sentence; other errors it gives back as they are.
func missingFlags(c *cobra.Command, err error) error {
	list, ok := strings.CutPrefix(err.Error(), "required flag(s) ")
	if !ok {
		return err
	}
	names := regexp.MustCompile(`[\w-]+`).FindAllString(strings.TrimSuffix(list, " not set"), -1)
	for i := range names {
		names[i] = "--" + names[i]
	}
	text := missing(names)
	if example := exampleOf(c); example != "" {
		text += "; for example: " + example
	}
	return &usageError{fmt.Errorf("%s (see %q)", text, c.CommandPath()+" --help")}
}

// missing says that something is.
func missing(names []string) string {
	verb := "is"
	if len(names) > 1 {
		verb = "are"
	}
	return strings.Join(names, " and ") + " " + verb + " missing"
}

// nearest finds the word that was perhaps meant; "" when none is near.
func nearest(word string, known []string) string {
	slices.Sort(known)
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s)) }
	for _, k := range known {
		if plain(k) == plain(word) || plain(k) == plain(word)+"s" || plain(k)+"s" == plain(word) {
			return k
		}
	}
	best, far := "", 3
	for _, k := range known {
		if d := distance(plain(word), plain(k)); d < far && len(word) >= 3 && d < len(k) {
			best, far = k, d
		}
	}
	return best
}

// distance counts the letters to change, add, drop or swap with the next from
// one word to another.
func distance(a, b string) int {
	above, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			change := row[j]
			if a[i] != b[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], above[j-1]+1)
			}
		}
		above, row, next = row, next, above
	}
	return row[len(b)]
}
