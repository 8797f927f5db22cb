package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// The resume mark of an import is the offset of a group of its own on
// partition 0 of the raw topic. Nobody joins that group; the brokers keep it
// for at least a day after the last save.
const progressPrefix = "pulse.import."

const progressTimeout = requestTimeout * 3

// Progress gives the mark that SaveProgress stored under id: 0 and "" where
// there is none.
func (b *Bus) Progress(ctx context.Context, id string) (offset int64, meta string, err error) {
	err = b.progress(ctx, "read", id, func(ctx context.Context, group string) error {
		res, err := b.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
			GroupID: group, Topics: map[string][]int{wire.TopicRaw: {0}},
		})
		if err != nil {
			return err
		}
		offset, meta = 0, ""
		if errors.Is(res.Error, kafka.GroupIdNotFound) { // what some brokers say of a group without offsets
			return nil
		}
		if res.Error != nil {
			return res.Error
		}
		for _, p := range res.Topics[wire.TopicRaw] {
			if p.Error != nil {
				return p.Error
			}
			if p.CommittedOffset > 0 {
				offset, meta = p.CommittedOffset, p.Metadata
			}
		}
		return nil
	})
	return offset, meta, err
}

// SaveProgress stores a mark under id: a number that only its owner
// understands, 0 or more, and up to 4,000 bytes of text.
func (b *Bus) SaveProgress(ctx context.Context, id string, offset int64, meta string) error {
	if offset < 0 || len(meta) > 4000 {
		return fmt.Errorf("save progress of %s: offset %d with %d bytes of text", id, offset, len(meta))
	}
	return b.progress(ctx, "save", id, func(ctx context.Context, group string) error {
		// No generation and no member: a consumer that keeps its place without
		// joining anything.
		res, err := b.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
			GroupID: group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{
				wire.TopicRaw: {{Partition: 0, Offset: offset, Metadata: meta}},
			},
		})
		if err != nil {
			return err
		}
		for _, p := range res.Topics[wire.TopicRaw] {
			if p.Error != nil {
				return p.Error
			}
		}
		return nil
	})
}

// ForgetProgress removes the mark of id; it is fine if there is none.
func (b *Bus) ForgetProgress(ctx context.Context, id string) error {
	return b.progress(ctx, "forget", id, func(ctx context.Context, group string) error {
		res, err := b.client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
		if err != nil {
			return err
		}
		if err := res.Errors[group]; !errors.Is(err, kafka.GroupIdNotFound) {
			return err
		}
		return nil
	})
}

func (b *Bus) progress(ctx context.Context, act, id string, op func(context.Context, string) error) error {
	if id == "" || len(id) > 200 {
		return pulse.InvalidField("id", "%d bytes, want 1 to 200", len(id))
	}
	ctx, done, err := b.begin(ctx)
	if err == nil {
		defer done()
		err = b.retry(ctx, progressTimeout, func(ctx context.Context) error {
			return op(ctx, progressPrefix+id)
		})
	}
	if err != nil {
		return fmt.Errorf("%s progress of %s: %w", act, id, err)
	}
	return nil
}
