// Package house holds no code: its tests keep the house in order. They read the
// source and check which room imports which, that the rooms of the core stay
// pure, that every room says what it owns, and that files and functions stay
// readable.
package house

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport lists, room by room from the ground up, what a room may import.
var mayImport = map[string][]string{
	"fault":    {},
	"unit":     {"fault"},
	"fleet":    {"fault", "unit"},
	"job":      {"fault", "unit", "fleet"},
	"data":     {"fault", "unit", "job"},
	"energy":   {"fault", "unit", "fleet", "job", "data"},
	"sched":    {"fault", "unit", "fleet", "job", "data", "energy"},
	"meter":    {"fault", "unit", "fleet", "job", "data", "energy"},
	"pipeline": {"fault", "unit", "fleet", "job", "data"},
	"control":  {"fault", "unit", "fleet", "job", "data", "energy", "sched", "meter", "pipeline"},
	"store":    {"fault", "unit", "fleet", "job", "data", "control"},
	"engine":   {"fault", "unit", "fleet", "job", "data"},
	"sensor":   {"fault", "unit", "fleet", "job", "data", "energy"},
	"lake":     {"fault", "unit", "data"},
	"drawing":  {},
	"sim":      {"fault", "unit", "fleet", "job", "data", "energy", "sched", "meter", "pipeline", "control", "drawing"},
	"live":     {"fault", "unit", "fleet", "job", "data", "energy", "sched", "meter", "pipeline", "control", "store", "engine", "sensor", "lake", "sim"},
	"serve":    {"fault", "unit", "data", "lake"},
	"audit":    {"fault"},
	"httpapi":  {"fault", "audit", "unit", "fleet", "job", "data", "energy", "meter", "control", "sim", "live", "serve"},
	"console":  {},
}

// pure rooms have no clock, chance, goroutine, file, network or environment.
var pure = []string{"fault", "unit", "fleet", "job", "data", "energy", "sched", "meter", "pipeline", "control", "drawing", "sim"}

// impure are packages that a pure room may not import at all.
var impure = []string{"os", "os/exec", "os/signal", "os/user", "net", "net/http", "io/ioutil", "syscall", "sync", "sync/atomic", "path/filepath", "log", "log/slog", "crypto/rand", "runtime"}

// forbiddenCalls are functions of otherwise harmless packages.
var forbiddenCalls = map[string][]string{
	"time":         {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"},
	"math/rand":    {"Seed", "Int", "Intn", "Int31", "Int31n", "Int63", "Int63n", "Uint32", "Uint64", "Float32", "Float64", "Perm", "Shuffle", "NormFloat64", "ExpFloat64", "Read"},
	"math/rand/v2": {"Int", "IntN", "Int64", "Int64N", "Uint32", "Uint64", "Float64", "N", "Perm", "Shuffle", "NormFloat64", "ExpFloat64"},
}

type source struct {
	path string // from the root, with slashes
	room string
	file *ast.File
	set  *token.FileSet
}

func sources(t *testing.T, tests bool) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != "." || d.Name() == "testdata" || p == "bin" || p == "out") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(p, ".go") || !tests && strings.HasSuffix(p, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(p)
		out = append(out, source{path: slash, room: strings.SplitN(slash, "/", 2)[0], file: f, set: set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d source files found: run from the root of the repository", len(out))
	}
	return out
}

func imports(f *ast.File) []string {
	var out []string
	for _, i := range f.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

func TestImportsGoDownTheHouse(t *testing.T) {
	for _, s := range sources(t, false) {
		if s.room == "cmd" || !strings.Contains(s.path, "/") {
			continue
		}
		allowed, known := mayImport[s.room]
		if !known {
			t.Errorf("%s: room %q is not in the house; add it to mayImport with what it may import", s.path, s.room)
			continue
		}
		for _, p := range imports(s.file) {
			rest, ours := strings.CutPrefix(p, "tianfu/")
			if !ours {
				continue
			}
			room, child, isChild := strings.Cut(rest, "/")
			if isChild && room != s.room {
				t.Errorf("%s imports %s: only cmd/tianfu imports a child room (%s)", s.path, p, child)
			}
			if room != s.room && !slices.Contains(allowed, room) {
				t.Errorf("%s imports %s: %s may import only %s", s.path, p, s.room, strings.Join(allowed, ", "))
			}
		}
	}
}

func TestPureRoomsStayPure(t *testing.T) {
	for _, s := range sources(t, false) {
		if !slices.Contains(pure, s.room) {
			continue
		}
		names := map[string]string{}
		for _, p := range imports(s.file) {
			if slices.Contains(impure, p) {
				t.Errorf("%s imports %s: %s is a pure room", s.path, p, s.room)
			}
			names[path.Base(strings.TrimSuffix(p, "/v2"))] = p
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine in a pure room", s.set.Position(n.Pos()))
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok || x.Obj != nil {
					return true
				}
				for _, f := range forbiddenCalls[names[x.Name]] {
					if f == n.Sel.Name {
						t.Errorf("%s: %s.%s in a pure room: time comes in as now, chance as a seeded generator", s.set.Position(n.Pos()), x.Name, n.Sel.Name)
					}
				}
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: work in init", s.set.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func TestEveryRoomSaysWhatItOwns(t *testing.T) {
	comment := map[string]string{}
	for _, s := range sources(t, false) {
		dir := path.Dir(s.path)
		if s.file.Doc != nil {
			comment[dir] += s.file.Doc.Text()
		} else {
			comment[dir] += ""
		}
	}
	for dir, text := range comment {
		for _, name := range regexp.MustCompile(`[a-z0-9_]+\.go\b`).FindAllString(text, -1) {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("the comment of package %s names %s, which is not there", dir, name)
			}
		}
		if len(strings.Fields(text)) < 15 {
			t.Errorf("package %s has no package comment that says what it owns, what it never does and which file to read first", dir)
		}
		if strings.Count(dir, "/") > 1 {
			t.Errorf("package %s lies more than two directories below the root", dir)
		}
		switch path.Base(dir) {
		case "util", "common", "shared", "misc", "helper", "base":
			t.Errorf("package %s is not named for what it owns", dir)
		}
	}
}

// Ratchets: what is larger than the house allows, at its size when it was
// listed. Make these shrink; a new entry needs a reason.
var (
	largeFunctions = map[string]int{}
	largeFiles     = map[string]int{}
	manyArguments  = map[string]int{
		"fleet/areas.go:addArea":       6,
		"fleet/catalogue.go:mergeInto": 6,
		"sched/pick.go:choose":         6, // called for every decision: a struct costs time there
		"sched/verify.go:partition":    6,
		"sched/waiting.go:Add":         6,
		"sim/trace.go:makeNode":        6,
	}
)

const (
	maxFunctionLines = 70
	maxFileLines     = 500
	maxArguments     = 5
)

func TestFilesAndFunctionsStayReadable(t *testing.T) {
	for _, s := range sources(t, false) {
		lines := s.set.Position(s.file.End()).Line
		if limit := max(maxFileLines, largeFiles[s.path]); lines > limit {
			t.Errorf("%s has %d lines, the limit is %d: split it", s.path, lines, limit)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			at := s.set.Position(f.Pos())
			n := s.set.Position(f.End()).Line - at.Line + 1
			if limit := max(maxFunctionLines, largeFunctions[s.path+":"+f.Name.Name]); n > limit {
				t.Errorf("%s: %s has %d lines, the limit is %d", at, f.Name.Name, n, limit)
			}
			if args := f.Type.Params.NumFields(); args > max(maxArguments, manyArguments[s.path+":"+f.Name.Name]) {
				t.Errorf("%s: %s takes %d arguments, the limit is %d: make a struct", at, f.Name.Name, args, maxArguments)
			}
		}
	}
}

func TestArchitectureNamesFilesThatExist(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile("`([a-z]+/[A-Za-z0-9_/.-]*|[a-zA-Z_-]+\\.(?:go|md))`").FindAllStringSubmatch(string(text), -1) {
		found++
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", m[1])
		}
	}
	if found < 10 {
		t.Errorf("ARCHITECTURE.md names only %d files", found)
	}
}

func TestEveryDependencyHasAReason(t *testing.T) {
	reasons, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.Open("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	defer mod.Close()
	for sc := bufio.NewScanner(mod); sc.Scan(); {
		line := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(sc.Text()), "require "))
		name, rest, ok := strings.Cut(line, " ")
		if !ok || !strings.HasPrefix(rest, "v") || strings.HasSuffix(rest, "// indirect") {
			continue
		}
		if !strings.Contains(string(reasons), name) {
			t.Errorf("docs/dependencies.md has no reason for %s", name)
		}
	}
}

// TestDocumentsLinkToWhatExists follows the relative links of every document.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	files, _ := filepath.Glob("docs/*.md")
	more, _ := filepath.Glob("docs/*/*.md")
	for _, f := range append(append(files, more...), "README.md", "ARCHITECTURE.md") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(f), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", f, m[1])
			}
		}
	}
}
