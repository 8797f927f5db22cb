package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dev.redditpulse/daemon/auth"
	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/pulse"
)

// minPassword is the least length of a password set by hand, in bytes.
const minPassword = 8

func (sh *shell) userCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Manage accounts"}
	cmd.AddCommand(sh.userAddCommand(), sh.userPasswdCommand(),
		sh.userActiveCommand("disable", "Keep an account out and end its sessions", false),
		sh.userActiveCommand("enable", "Let a disabled account in again", true),
		sh.userListCommand())
	return cmd
}

func (sh *shell) userAddCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "add NAME --role viewer|operator|admin", Short: "Make an account", Args: cobra.ExactArgs(1)}
	role := cmd.Flags().String("role", "", "what the account may do: viewer, operator or admin")
	password := sh.passwordFlags(cmd)
	_ = cmd.MarkFlagRequired("role")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !pulse.Role(*role).Valid() {
			return fmt.Errorf("--role %q: want viewer, operator or admin", *role)
		}
		hash, err := password()
		if err != nil {
			return err
		}
		return sh.withUsers(cmd.Context(), func(ctx context.Context, d *db.DB) error {
			_, err := d.AddUser(ctx, args[0], pulse.Role(*role), hash)
			return err
		})
	}
	return cmd
}

func (sh *shell) userPasswdCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "passwd NAME", Short: "Set a password and end the account's sessions", Args: cobra.ExactArgs(1)}
	password := sh.passwordFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		hash, err := password()
		if err != nil {
			return err
		}
		return sh.withUsers(cmd.Context(), func(ctx context.Context, d *db.DB) error {
			return d.SetPassword(ctx, args[0], hash)
		})
	}
	return cmd
}

func (sh *shell) userActiveCommand(use, short string, active bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.withUsers(cmd.Context(), func(ctx context.Context, d *db.DB) error {
				return d.SetActive(ctx, args[0], active)
			})
		},
	}
}

func (sh *shell) userListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List accounts", Args: cobra.NoArgs}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return sh.withUsers(cmd.Context(), func(ctx context.Context, d *db.DB) error {
			users, err := d.ListUsers(ctx)
			if err != nil {
				return err
			}
			return sh.printUsers(users, *output)
		})
	}
	return cmd
}

func (sh *shell) printUsers(users []pulse.User, output outputFormat) error {
	type row struct {
		Name      string     `json:"name"`
		Role      pulse.Role `json:"role"`
		IsActive  bool       `json:"is_active"`
		CreatedAt time.Time  `json:"created_at"`
	}
	rows := make([]row, len(users))
	for i, u := range users {
		rows[i] = row{u.Name, u.Role, u.IsActive, u.CreatedAt.UTC()}
	}
	if output == outputJSON {
		return sh.printJSON(rows)
	}
	for _, r := range rows {
		state := "active"
		if !r.IsActive {
			state = "disabled"
		}
		fmt.Fprintf(sh.out, "%-24s %-9s %-9s since %s\n", r.Name, r.Role, state, r.CreatedAt.Format(time.DateOnly))
	}
	return nil
}

func (sh *shell) withUsers(ctx context.Context, f func(context.Context, *db.DB) error) error {
	p, err := sh.tool()
	if err != nil {
		return err
	}
	d, err := p.database()
	if err != nil {
		return err
	}
	defer d.Close()
	ctx, cancel := context.WithTimeout(ctx, p.c.Postgres.StatementTimeout)
	defer cancel()
	return f(ctx, d)
}

// passwordFlags adds the ways to give a password, none of them an argument,
// which other users of the machine could read. The result asks for it and gives
// its hash.
func (sh *shell) passwordFlags(cmd *cobra.Command) func() (string, error) {
	stdin := cmd.Flags().Bool("password-stdin", false, "read the password from standard input")
	file := cmd.Flags().String("password-file", "", "read the password from a file")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
	return func() (string, error) {
		password, err := sh.readPassword(*stdin, *file, "Password: ", "Again: ")
		if err != nil {
			return "", err
		}
		if len(password) < minPassword {
			return "", fmt.Errorf("password: want at least %d characters", minPassword)
		}
		return auth.HashPassword(password)
	}
}

// readPassword gives a password from a file, from standard input, or as it is typed
// at each of the prompts.
func (sh *shell) readPassword(stdin bool, file string, prompts ...string) (string, error) {
	switch {
	case stdin:
		return firstLine(sh.in)
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		defer f.Close()
		return firstLine(f)
	}
	f, ok := sh.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", errors.New("password: standard input is no terminal, want --password-stdin or --password-file")
	}
	var typed []string
	for _, prompt := range prompts {
		fmt.Fprint(sh.err, prompt)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(sh.err)
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		typed = append(typed, string(text))
	}
	if typed[0] != typed[len(typed)-1] {
		return "", errors.New("password: the two differ")
	}
	return typed[0], nil
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
