package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/bus"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/telemetry"
)

func (sh *shell) topicsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "topics", Short: "Create, describe and grow the Kafka topics"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "ensure", Short: "Create the topics that are missing", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return sh.withBus(func(p *parts, b *bus.Bus) error {
					return b.EnsureTopics(cmd.Context(), topicsOf(p.c.Kafka))
				})
			},
		},
		sh.topicsDescribeCommand(), sh.topicsGrowCommand(),
	)
	return cmd
}

func (sh *shell) topicsDescribeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "describe", Short: "Show partitions, leaders and copies", Args: cobra.NoArgs}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return sh.withBus(func(_ *parts, b *bus.Bus) error {
			return sh.describeTopics(cmd.Context(), b, *output)
		})
	}
	return cmd
}

func (sh *shell) topicsGrowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "grow", Short: "Give the topics more partitions; they never shrink",
		Long: `Gives all topics as many partitions, so that as many processing replicas can work
at once. Running daemons take the new ones up within seconds; no restart is
needed. Set kafka.partitions to the same number. Topics never shrink.`,
	}
	partitions := cmd.Flags().Int("partitions", 0, "how many each topic shall have, 1 to 64")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if *partitions < 1 || *partitions > bus.MaxPartitions {
			return fmt.Errorf("say how many: --partitions N, 1 to %d", bus.MaxPartitions)
		}
		return cobra.NoArgs(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return sh.withBus(func(p *parts, b *bus.Bus) error {
			if err := b.GrowTopics(cmd.Context(), *partitions); err != nil {
				return err
			}
			fmt.Fprintf(sh.err, "every topic has %d partitions\n", *partitions)
			if p.c.Kafka.Partitions != *partitions {
				fmt.Fprintf(sh.err, "set kafka.partitions = %d, for topics that are made anew\n", *partitions)
			}
			return nil
		})
	}
	return cmd
}

func (sh *shell) describeTopics(ctx context.Context, b *bus.Bus, output outputFormat) error {
	topics, err := b.DescribeTopics(ctx)
	if err != nil {
		return err
	}
	if output == outputJSON {
		return sh.printJSON(topics)
	}
	for _, t := range topics {
		for _, p := range t.Partitions {
			fmt.Fprintf(sh.out, "%-24s partition %d  leader %d  replicas %v  in sync %v\n",
				t.Name, p.Partition, p.Leader, p.Replicas, p.ISR)
		}
	}
	return nil
}

func topicsOf(k config.Kafka) bus.Topics {
	return bus.Topics{
		Partitions: k.Partitions, ReplicationFactor: k.ReplicationFactor,
		MinInsyncReplicas: k.MinInsyncReplicas, Retention: k.Retention, DeadRetention: k.DeadRetention,
	}
}

// tool opens the parts of a command that is not a daemon: it logs warnings only.
func (sh *shell) tool() (*parts, error) {
	loaded, err := sh.load(true, nil)
	if err != nil {
		return nil, err
	}
	log, err := telemetry.NewLogger(sh.err, "warn", loaded.Log.Format)
	if err != nil {
		return nil, err
	}
	return newParts(loaded.Config, log), nil
}

func (sh *shell) withBus(f func(*parts, *bus.Bus) error) error {
	p, err := sh.tool()
	if err != nil {
		return err
	}
	b, err := p.bus()
	if err != nil {
		return err
	}
	return errors.Join(f(p, b), p.close())
}

// checkTopics refuses to produce before the topics are there.
func checkTopics(ctx context.Context, b *bus.Bus) error {
	topics, err := b.DescribeTopics(ctx)
	if err != nil {
		return fmt.Errorf("reach Kafka: %w", err)
	}
	for _, t := range topics {
		if len(t.Partitions) == 0 {
			return fmt.Errorf("topic %s is missing: run `pulse topics ensure`", t.Name)
		}
	}
	return nil
}
