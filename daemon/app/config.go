package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"
)

func (sh *shell) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check and show the configuration"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check", Short: "Report every fault at once", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				if _, err := sh.load(true, nil); err != nil {
					return err
				}
				fmt.Fprintln(sh.out, "the configuration is sound")
				return nil
			},
		},
		sh.configShowCommand(),
	)
	return cmd
}

func (sh *shell) configShowCommand() *cobra.Command {
	var output *outputFormat
	cmd := &cobra.Command{
		Use: "show", Short: "Show effective values and where they come from, secrets masked", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			loaded, err := sh.load(true, nil)
			if err != nil {
				return err
			}
			settings := loaded.Settings()
			if *output == outputJSON {
				return sh.printJSON(settings)
			}
			for _, s := range settings {
				fmt.Fprintf(sh.out, "%-30s %-44s %s\n", s.Key, s.Value, s.Origin)
			}
			return nil
		},
	}
	output = outputFlag(cmd)
	return cmd
}

// outputFormat is the value of --output.
type outputFormat string

// The formats in which a table is printed.
const (
	outputTable outputFormat = "table"
	outputJSON  outputFormat = "json"
)

// String gives the format's name.
func (o *outputFormat) String() string { return string(*o) }

// Set takes a format's name.
func (o *outputFormat) Set(s string) error {
	if s != string(outputTable) && s != string(outputJSON) {
		return errors.New("want table or json")
	}
	*o = outputFormat(s)
	return nil
}

// Type names the kind of value in the usage text.
func (o *outputFormat) Type() string { return "table|json" }

// outputFlag gives a command that prints a table its --output.
func outputFlag(cmd *cobra.Command) *outputFormat {
	o := outputTable
	cmd.Flags().Var(&o, "output", "how to print the table")
	return &o
}

// printJSON prints v indented, what a terminal would obey or hide escaped: it may
// hold text of anybody.
func (sh *shell) printJSON(v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, c := range string(body) {
		switch high, low := utf16.EncodeRune(c); {
		case c == '\n' || unicode.IsPrint(c):
			out.WriteRune(c)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	out.WriteByte('\n')
	_, err = sh.out.Write(out.Bytes())
	return err
}
