package main

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/fault"
)

// defaultServer is the centre of this machine.
const defaultServer = "http://127.0.0.1:8420"

// maxContexts bounds the centres that are kept.
const maxContexts = 1000

// centreContext is a centre under a short name.
type centreContext struct {
	Name      string `json:"name"`
	Server    string `json:"server"`
	TokenFile string `json:"token_file,omitempty"`
}

// contexts are the centres a user works with, of which one is current.
type contexts struct {
	Current  string          `json:"current,omitempty"`
	Contexts []centreContext `json:"contexts"`
}

const contextsFix = "add the contexts again: tianfu context add"

func readContexts() (*contexts, error) {
	all := &contexts{}
	name, err := keptFile("contexts.json", "context")
	if err != nil {
		return all, nil // without a home there are none
	}
	return all, readKept(name, contextsFix, all)
}

func changeContexts(change func(*contexts) error) error {
	name, err := keptFile("contexts.json", "context")
	if err != nil {
		return err
	}
	all := &contexts{}
	return changeKept(name, contextsFix, all, func() error { return change(all) })
}

func (all *contexts) find(name string) (int, error) {
	k := slices.IndexFunc(all.Contexts, func(c centreContext) bool { return c.Name == name })
	if k < 0 {
		return k, fault.New(fault.NotFound, "context "+name, "no such context", "see: tianfu context list")
	}
	return k, nil
}

// inForce finds the context that commands go by, and what chose it: a flag, the
// variable TIANFU_CONTEXT, or the current one. A server that is named goes before
// the variable and the current one. Without any of these it is the centre of
// this machine, which has no name.
func inForce(server, flag string) (centreContext, string, error) {
	if server != "" && flag != "" {
		return centreContext{}, "", &usageError{fault.New(fault.Invalid, "--context", "is given with --server", "give one of them")}
	}
	if server != "" {
		return centreContext{Server: server}, "--server", nil
	}
	if s := strings.TrimSpace(os.Getenv("TIANFU_SERVER")); s != "" && flag == "" {
		return centreContext{Server: s}, "TIANFU_SERVER", nil
	}
	all, err := readContexts()
	if err != nil {
		return centreContext{}, "", err
	}
	from := "--context"
	name := flag
	if name == "" {
		name, from = strings.TrimSpace(os.Getenv("TIANFU_CONTEXT")), "TIANFU_CONTEXT"
	}
	if name == "" {
		name, from = all.Current, "current"
	}
	if name == "" {
		return centreContext{Server: defaultServer}, "default", nil
	}
	k, err := all.find(name)
	if err != nil {
		return centreContext{}, "", err
	}
	return all.Contexts[k], from, nil
}

func (p *program) context() *cobra.Command {
	c := &cobra.Command{Use: "context", Short: "Name the centres you work with, and choose one", Args: cobra.NoArgs,
		Long: `Name the centres you work with, and choose the one that commands go to. What commands go by, the first that is
given: --server or --context, the variables TIANFU_SERVER and TIANFU_CONTEXT, the current context, the centre of this
machine. They are kept in tianfu/contexts.json in your configuration directory, for you alone; tokens are not in it:
tianfu login keeps one for each centre, or the context names a file.`,
		Example: "  tianfu context add chengdu --server https://chengdu.example.org\n  tianfu login --context chengdu\n  tianfu context use chengdu\n  TIANFU_CONTEXT=jianzhou tianfu node list",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.contextList(), p.contextShow(), p.contextAdd(), p.contextUse(), p.contextRemove())
	return c
}

func (p *program) contextList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List your contexts", Args: cobra.NoArgs, Example: "  tianfu context list",
		RunE: func(*cobra.Command, []string) error {
			all, err := readContexts()
			if err != nil {
				return err
			}
			t := &table{header: []string{"CURRENT", "CONTEXT", "SERVER", "TOKEN FILE"}}
			for _, k := range all.Contexts {
				t.add(map[bool]string{true: "*"}[k.Name == all.Current], k.Name, k.Server, k.TokenFile)
			}
			if len(t.rows) == 0 {
				t.foot = "no contexts: commands go to " + defaultServer + "; add one with tianfu context add"
			}
			return p.print(all, t)
		}}
}

func (p *program) contextShow() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "show", Short: "Show which centre commands go to, and why", Args: cobra.NoArgs, Example: "  tianfu context show",
		RunE: func(*cobra.Command, []string) error {
			k, from, err := inForce(r.server, r.context)
			if err != nil {
				return err
			}
			t := &table{header: []string{"CONTEXT", "SERVER", "TOKEN FILE", "FROM"}}
			t.add(k.Name, k.Server, k.TokenFile, from)
			return p.print(struct {
				centreContext
				From string `json:"from"`
			}{k, from}, t)
		}}
	r.register(c)
	return c
}

func (p *program) contextAdd() *cobra.Command {
	k, use := centreContext{}, false
	c := &cobra.Command{Use: "add NAME --server ADDRESS", Short: "Name a centre; the first becomes the current one", Args: cobra.ExactArgs(1),
		Example: "  tianfu context add chengdu --server https://chengdu.example.org --use",
		RunE: func(_ *cobra.Command, args []string) error {
			k.Name = args[0]
			if err := k.check(); err != nil {
				return err
			}
			return changeContexts(func(all *contexts) error {
				if _, err := all.find(k.Name); err == nil {
					return fault.New(fault.Conflict, "context "+k.Name, "is there already", "remove it first: tianfu context remove "+k.Name)
				}
				if len(all.Contexts) >= maxContexts {
					return fault.New(fault.Exhausted, "context "+k.Name, fmt.Sprintf("%d contexts are kept already", maxContexts), "remove some: tianfu context remove NAME")
				}
				all.Contexts = append(all.Contexts, k)
				slices.SortFunc(all.Contexts, func(a, b centreContext) int { return cmp.Compare(a.Name, b.Name) })
				if use || len(all.Contexts) == 1 {
					all.Current = k.Name
				}
				return nil
			})
		}}
	c.Flags().StringVar(&k.Server, "server", "", "address of the centre")
	c.Flags().StringVar(&k.TokenFile, "token-file", "", "file with the token (default: your login there)")
	c.Flags().BoolVar(&use, "use", false, "make it the current one")
	c.MarkFlagRequired("server")
	return c
}

// check holds a context to what can be kept, and makes its paths absolute.
func (k *centreContext) check() error {
	if k.Name == "" || len(k.Name) > 128 || strings.ContainsFunc(k.Name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fault.New(fault.Invalid, "context", "has no name, or one with spaces or of more than 128 bytes", "give it a short name")
	}
	u, err := url.Parse(k.Server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(k.Server) > 4096 {
		return fault.New(fault.Invalid, "--server", fmt.Sprintf("%.200q is no address of a centre", k.Server), "write it like https://centre.example.org")
	}
	if k.TokenFile != "" {
		if k.TokenFile, err = filepath.Abs(k.TokenFile); err != nil {
			return fault.New(fault.Invalid, "--token-file", err.Error(), "give the whole path")
		}
	}
	return nil
}

func (p *program) contextUse() *cobra.Command {
	return &cobra.Command{Use: "use NAME", Short: "Make a context the current one", Args: cobra.ExactArgs(1), Example: "  tianfu context use chengdu", ValidArgsFunction: completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			return changeContexts(func(all *contexts) error {
				_, err := all.find(args[0])
				all.Current = args[0]
				return err
			})
		}}
}

func (p *program) contextRemove() *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "Forget a context; a login there stays", Args: cobra.ExactArgs(1), Example: "  tianfu context remove chengdu", ValidArgsFunction: completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			return changeContexts(func(all *contexts) error {
				i, err := all.find(args[0])
				if err != nil {
					return err
				}
				all.Contexts = slices.Delete(all.Contexts, i, i+1)
				if all.Current == args[0] {
					all.Current = ""
				}
				return nil
			})
		}}
}

func completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, err := readContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, k := range all.Contexts {
		out = append(out, k.Name+"\t"+k.Server)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
