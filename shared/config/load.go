package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// maxFile bounds a configuration or secret file, in bytes.
const maxFile = 1 << 20

// Source is where settings come from, weakest first: the defaults, File, Env,
// Flags.
type Source struct {
	File  string            // path of a TOML file, "" for none
	Env   []string          // as os.Environ gives it
	Flags map[string]string // by key, e.g. "api.listen"
}

// Loaded is the settings and where each of them came from.
type Loaded struct {
	Config
	Origin map[string]string // by key: "default", a file's path, a variable's name, "flag"
}

// Load reads all sources and reports every fault at once.
func Load(src Source) (*Loaded, error) {
	l := &Loaded{Config: Default(), Origin: map[string]string{}}
	keys := Keys()
	for _, key := range keys {
		l.Origin[key] = "default"
	}
	k := koanf.New(".")
	var faults []error
	add := func(values map[string]any, origin func(key string) string) {
		for key := range values {
			l.Origin[strings.TrimSuffix(key, "_file")] = origin(key)
		}
		// confmap never fails on a flat map.
		_ = k.Load(confmap.Provider(values, "."), nil)
	}
	if src.File != "" {
		values, err := readFile(src.File, keys)
		faults = append(faults, err)
		add(values, func(string) string { return src.File })
	}
	values, names, err := readEnv(src.Env, keys)
	faults = append(faults, err)
	add(values, func(key string) string { return names[key] })
	flags := map[string]any{}
	for key, value := range src.Flags {
		flags[key] = value
	}
	add(flags, func(string) string { return "flag" })

	faults = append(faults, readSecretFiles(k), decode(k, &l.Config))
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return l, l.Validate()
}

// readFile gives the settings of a TOML file, flat. A secret may also be given
// as <key>_file.
func readFile(path string, keys []string) (map[string]any, error) {
	body, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	nested, err := toml.Parser().Unmarshal(body)
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	k := koanf.New(".")
	_ = k.Load(confmap.Provider(nested, "."), nil)
	flat := k.All()
	var faults []error
	for key := range flat {
		if !allowed(key, keys) {
			delete(flat, key)
			faults = append(faults, fmt.Errorf("%s: %s: unknown setting%s", path, key, suggest(key, keys)))
		}
	}
	sortErrors(faults)
	return flat, errors.Join(faults...)
}

// readEnv gives the settings among PULSE_<SECTION>_<KEY>. Variables of other
// programs start with PULSE_ too (the sound server's): only one whose section
// is ours must name a setting.
func readEnv(environ []string, keys []string) (map[string]any, map[string]string, error) {
	values, names := map[string]any{}, map[string]string{}
	var faults []error
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, "PULSE_")
		section, key, dotted := strings.Cut(strings.ToLower(rest), "_")
		if !ours || !dotted || !isSection(section, keys) {
			continue
		}
		full := section + "." + key
		if !allowed(full, keys) {
			hint := suggest(full, keys)
			faults = append(faults, fmt.Errorf("environment: %s: unknown setting%s", name, hint))
			continue
		}
		values[full], names[full] = value, name
	}
	sortErrors(faults)
	return values, names, errors.Join(faults...)
}

func isSection(section string, keys []string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, section+".") })
}

func allowed(key string, keys []string) bool {
	if slices.Contains(keys, key) {
		return true
	}
	base, isFile := strings.CutSuffix(key, "_file")
	return isFile && slices.Contains(secretKeys(), base)
}

// readSecretFiles replaces each <key>_file by what the file holds.
func readSecretFiles(k *koanf.Koanf) error {
	var faults []error
	for _, key := range secretKeys() {
		path := k.String(key + "_file")
		if path == "" {
			continue
		}
		body, err := readBounded(path)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s_file: %w", key, err))
			continue
		}
		_ = k.Set(key, strings.TrimRight(string(body), "\r\n"))
	}
	return errors.Join(faults...)
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, plainPathError(path, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, want a file", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, info.Size(), maxFile)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, plainPathError(path, err)
	}
	return body, nil
}

func plainPathError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist", path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s may not be read by this user", path)
	}
	return err
}

// decode puts the settings into c, naming each that has the wrong type.
func decode(k *koanf.Koanf, c *Config) error {
	var faults []error
	for _, f := range fields(reflect.ValueOf(c).Elem(), "") {
		if !k.Exists(f.key) {
			continue
		}
		if err := f.set(k.Get(f.key)); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", f.key, err))
		}
	}
	return errors.Join(faults...)
}

// field is one setting: its key and its place in a Config.
type field struct {
	key   string
	value reflect.Value
}

func fields(v reflect.Value, prefix string) []field {
	var all []field
	for i := range v.NumField() {
		key := prefix + v.Type().Field(i).Tag.Get("koanf")
		if f := v.Field(i); f.Kind() == reflect.Struct {
			all = append(all, fields(f, key+".")...)
		} else {
			all = append(all, field{key, f})
		}
	}
	return all
}

func (f field) set(raw any) error {
	if d, ok := f.value.Addr().Interface().(*time.Duration); ok {
		text, ok := raw.(string)
		if !ok {
			return fmt.Errorf("%v: want a duration with its unit, e.g. \"90s\"", raw)
		}
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q: want a duration with its unit, e.g. \"90s\"", text)
		}
		*d = parsed
		return nil
	}
	dec, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: f.value.Addr().Interface(), WeaklyTypedInput: isText(raw),
		DecodeHook: mapstructure.StringToSliceHookFunc(","),
	})
	if err != nil {
		return err
	}
	if err := dec.Decode(raw); err != nil {
		return fmt.Errorf("want %s", wanted(f.value.Kind()))
	}
	if f.value.Kind() == reflect.Slice {
		trimAll(f.value.Interface().([]string))
	}
	return nil
}

// isText: from the environment and from flags everything comes as text.
func isText(raw any) bool {
	_, ok := raw.(string)
	return ok
}

func trimAll(list []string) {
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
}

func wanted(kind reflect.Kind) string {
	switch kind {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list of strings"
	case reflect.Bool:
		return "true or false"
	default:
		return "a string"
	}
}

// Keys is every setting, "section.key", in the order of pulse.toml.
func Keys() []string {
	c := Default()
	var keys []string
	for _, f := range fields(reflect.ValueOf(&c).Elem(), "") {
		keys = append(keys, f.key)
	}
	return keys
}

func secretKeys() []string {
	c := Default()
	var keys []string
	for _, f := range fields(reflect.ValueOf(&c).Elem(), "") {
		if f.value.Type() == reflect.TypeFor[Secret]() {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// Setting is one effective setting, for display: secrets are masked.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// Settings gives every effective setting with its origin.
func (l *Loaded) Settings() []Setting {
	var all []Setting
	for _, f := range fields(reflect.ValueOf(&l.Config).Elem(), "") {
		all = append(all, Setting{f.key, fmt.Sprint(f.value.Interface()), l.Origin[f.key]})
	}
	return all
}

// suggest gives the known key that is nearest to an unknown one, as the end of
// a sentence; "" where none is near.
func suggest(key string, keys []string) string {
	best, distance := "", 4
	for _, k := range keys {
		d := editDistance(key, k)
		if _, name, _ := strings.Cut(k, "."); strings.HasSuffix(key, "."+name) {
			d = min(d, 2) // right name, wrong section
		}
		if d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// editDistance is Levenshtein's: the insertions, deletions and replacements of
// one byte that lead from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func sortErrors(errs []error) {
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
}

// Find gives the configuration file of a command that was given none:
// .pulse/run.toml of a running `pulse up` where running is true, pulse.toml
// beside the working directory, then the user's configuration folder; "" where
// there is none.
func Find(running bool) string {
	var candidates []string
	if running {
		candidates = append(candidates, filepath.Join(".pulse", "run.toml"))
	}
	candidates = append(candidates, "pulse.toml")
	if dir, err := os.UserConfigDir(); err == nil {
		candidates = append(candidates, filepath.Join(dir, "pulse", "pulse.toml"))
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return ""
}
