package redditsim

// common are the words that every topic may use.
var common = map[string][]string{
	"trait": {
		"quiet", "Brave", "sleepy", "Odd", "lunar", "Rusty", "Mild", "polite", "Hollow", "Amber",
		"silent", "Wandering", "grumpy", "Tiny", "electric", "Foggy", "Humble", "cosmic", "Lazy", "salty",
	},
	"creature": {
		"otter", "Heron", "badger", "Kestrel", "Moth", "lynx", "Tortoise", "Magpie", "walrus", "Newt",
		"Teapot", "Lantern", "biscuit", "Harbor", "Compass", "pickle", "Cactus", "Turnip", "Pebble", "Gecko",
	},
	"city": {
		"Lisbon", "Osaka", "Tallinn", "Nairobi", "Montreal", "Krakow", "Porto", "Auckland", "Bergen",
		"Valparaíso", "Ghent", "Kyoto", "Denver", "Leeds", "Zürich", "Hanoi",
	},
	"country": {
		"Norway", "Chile", "Japan", "Kenya", "Portugal", "Canada", "Vietnam", "Estonia", "Greece",
		"New Zealand", "Poland", "Uruguay", "India", "Ireland",
	},
	"n":     {"2", "3", "4", "5", "6", "7", "9", "12", "15", "20"},
	"year":  {"1912", "1936", "1954", "1969", "1977", "1984", "1998", "2007"},
	"share": {"8%", "12%", "a third", "nearly half", "63%", "twice as much", "a tenth"},
	"time":  {"one year", "six months", "three weeks", "ten years", "a decade", "a weekend", "48 hours"},
	"adj": {
		"surprising", "new", "simple", "small", "forgotten", "first", "strange", "promising", "huge", "quiet",
	},
	"tail": {"", "", "", "", " [OC]", " (long)", " — what am I missing?", " & why it matters", " 🎉"},
}

// topics are the grammars by topic.
var topics = map[string]*grammar{
	"ask": {
		self:   1,
		flairs: []string{"Serious Replies Only", "Discussion", "Question"},
		titles: []string{
			"What {thing} did you only understand after {time}?",
			"People who {did}, what happened next?",
			"What's the most {feeling} {thing} you've ever seen at {place}?",
			"[Serious] {group} of Reddit, what {thing} should everyone know about?",
			"If you could {could} for {time}, would you? Why <or> why not?",
			"What is a {adj} {thing} that costs less than ${n}?",
			"{group}, what's the \"{thing}\" of your profession?",
			"How do you deal with {place} when {did2}?",
			"What {thing} from {year} would nobody believe today?",
		},
		words: map[string][]string{
			"thing": {"rule", "habit", "lie", "skill", "smell", "sound", "piece of advice", "kitchen tool",
				"tradition", "red flag", "coincidence", "smalltalk topic", "mistake"},
			"feeling": {"awkward", "wholesome", "unsettling", "impressive", "pointless", "expensive", "confusing"},
			"did": {"quit without notice", "moved to {city}", "kept a diary for {time}", "met their neighbours late",
				"said yes to everything", "lived without a phone for {time}"},
			"did2":  {"everyone is tired", "the power is out", "you know nobody", "it rains for {time}"},
			"could": {"pause time", "speak every language", "live in {city}", "skip winter", "never need sleep"},
			"group": {"Nurses", "Teachers", "Librarians", "Night-shift workers", "Electricians", "Pilots", "Parents",
				"Bakers", "Left-handed people", "Only children"},
			"place": {"work", "a wedding", "school", "the gym", "the airport", "a family dinner", "the dentist"},
		},
	},
	"funny": {
		domains: []string{"i.redd.it", "v.redd.it"},
		flairs:  []string{"OC", "This is fine"},
		titles: []string{
			"My {animal} {did} and regrets nothing", "{when} be like", "Nobody: ... {who} at 3 a.m.:",
			"I {made} so you don't have to", "This sign in {city} knows me too well",
			"Told {who} I'd be {n} minutes late", "{when}, a short story", "Best {n} seconds of my week",
		},
		words: map[string][]string{
			"animal": {"cat", "dog", "goose", "roommate", "printer", "toddler", "parrot"},
			"did":    {"opened the fridge", "joined the meeting", "learned what doors are", "ordered {n} pizzas"},
			"when":   {"Mondays", "group projects", "reading the manual", "the last slice", "the Wi-Fi in {city}"},
			"who":    {"my brain", "the intern", "grandma", "the cat", "future me"},
			"made":   {"ate the {n}-day-old soup", "cut my own hair", "read all the terms & conditions"},
		},
	},
	"games": {
		self: 0.45, domains: []string{"i.redd.it", "v.redd.it", "questlog.example", "pixelpost.example"},
		flairs: []string{"Discussion", "Screenshot", "Tech Support", "Rules", "News"},
		titles: []string{
			"After {time} I finally finished {game}", "{game} gets a {adj} expansion this autumn",
			"What's the best {part} in any {genre}?", "{studio} on {game}: \"we wanted a {adj} {part}\"",
			"Is {game} worth it for {n} players?{tail}", "Unpopular opinion: the {part} of {game} is its best side",
			"Looking for a {genre} with a good {part}", "Patch {n}.{n} for {game} reworks the {part}",
		},
		words: map[string][]string{
			"game": {"Hollow Orchard", "Salt & Ember", "Tidebreaker II", "The Ninth Lantern", "Gridrunner",
				"Cold Harbor Tactics", "Mossgarden", "Paper Kingdoms", "Ironwake", "Starling Drift"},
			"part":   {"crafting", "soundtrack", "tutorial", "map", "endgame", "inventory", "first boss", "story"},
			"genre":  {"roguelike", "city builder", "co-op shooter", "deck builder", "RPG", "racing game"},
			"studio": {"Studio Larch", "Nine Acorns", "Bright Anvil", "Low Tide Games"},
		},
	},
	"politics": {
		domains: []string{"capitolledger.example", "statehousedaily.example", "thecivicpost.example", "dailyherald.example"},
		flairs:  []string{"Analysis", "Opinion", "Megathread", "Soft Paywall", "Editorialized Title"},
		titles: []string{
			"{body} passes {bill} by {n} votes", "Poll: {share} of voters support {bill}",
			"{body} delays vote on {bill} after {event}", "Opinion: {bill} is a {adj} step, and not enough",
			"Judges ask {body} to explain {bill}", "{state} becomes the {nth} state to adopt {bill}",
			"What the {adj} fight over {bill} tells us", "Hundreds gather in {state} after {event}",
			"{body} members trade blame over {event}",
		},
		words: map[string][]string{
			"body": {"Senate committee", "the House", "the state assembly", "city council", "the appeals court",
				"the election board"},
			"bill": {"the transit bill", "a school lunch act", "the data privacy law", "the housing package",
				"mail-in ballot rules", "the water compact", "the right-to-repair bill", "a budget deal"},
			"event": {"a late-night session", "the audit", "a leaked memo", "record turnout", "the hearing"},
			"nth":   {"third", "fifth", "eighth", "12th", "20th"},
			"state": {"Ohio", "Nevada", "Maine", "Georgia", "Oregon", "Texas", "Vermont", "Arizona"},
		},
	},
	"news": {
		domains: []string{"dailyherald.example", "worldwire.example", "northpost.example", "thetribune.example"},
		flairs:  []string{"Behind paywall", "Live thread", "Update", "Not a news article"},
		titles: []string{
			"{country} {verb} {matter} after {event}", "{event} in {city}: {n} rescued, trains resume",
			"{country} and {country} sign agreement on {matter}", "Thousands in {city} protest over {matter}",
			"Study finds {share} of {matter} lost since {year}", "{city} opens {adj} {building}",
			"Central bank of {country} holds rates amid {event}", "{event} leaves parts of {country} without power",
		},
		words: map[string][]string{
			"verb":     {"suspends", "expands", "bans", "reopens debate on", "doubles funding for", "taxes"},
			"matter":   {"fishing rights", "night trains", "plastic imports", "rent caps", "river dams", "drone flights", "coal subsidies"},
			"event":    {"flooding", "a general strike", "an earthquake", "a heat wave", "the ferry accident", "a court ruling", "a storm"},
			"building": {"floating bridge", "library", "metro line", "solar park", "tunnel", "hospital wing"},
		},
	},
	"pictures": {
		domains: []string{"i.redd.it", "i.redd.it", "photos.example"}, self: 0.1,
		flairs: []string{"OC", "Critique wanted", "Landscape"},
		titles: []string{
			"{view} above {city} this morning{tail}", "{view} in {country}, {n} minute exposure",
			"A {adj} {object} I found near {city}", "[OC] {view}, {country} ({n}000 x 4000)",
			"My grandfather in {city}, {year}", "The {object} my sister restored over {time}",
			"{time} in {country} with one lens", "First snow on a {object}, {city}",
		},
		words: map[string][]string{
			"view":   {"sunrise", "fog", "northern lights", "storm clouds", "the Milky Way", "low tide", "a double rainbow"},
			"object": {"lighthouse", "tram", "staircase", "barn", "stained-glass window", "boat shed", "phone booth"},
		},
	},
	"animals": {
		domains: []string{"i.redd.it", "v.redd.it"}, self: 0.15,
		flairs: []string{"Rescue", "Help", "Harvest"},
		titles: []string{
			"Meet {name}, adopted {time} ago", "{name} after {time} of {care}", "My {plant} finally bloomed after {time}",
			"Why does {name} the {pet} guard the {thing}?", "{n} {pet}s, one {thing}",
			"What is eating my {plant}?", "Before & after: {name} and the {thing}",
		},
		words: map[string][]string{
			"name":  {"Biscuit", "Waffles", "Juniper", "Mochi", "Sir Pounce", "Olive", "Bean", "Gus"},
			"pet":   {"cat", "dog", "hamster", "rabbit", "hedgehog", "cockatiel", "tortoise"},
			"care":  {"physio", "proper food", "sunlight", "patience", "soup"},
			"plant": {"tomato", "monstera", "lemon tree", "peony", "bonsai", "orchid"},
			"thing": {"cardboard box", "windowsill", "laundry", "garden hose", "compost heap", "blanket"},
		},
	},
	"videos": {
		domains: []string{"youtube.com", "v.redd.it", "clips.example"},
		flairs:  []string{"Original in Comments", "Repost"},
		titles: []string{
			"How {object} are made, without narration", "{n} minutes inside a {place}", "A {adj} history of {object}",
			"Man builds {object} from scratch in {time}", "Why {city} has so many {object}",
			"The {adj} physics of {object} [{n}:24]", "Filming {object} at 10,000 frames per second",
		},
		words: map[string][]string{
			"object": {"zippers", "canal boats", "clock towers", "vending machines", "pencils", "escalators", "paper planes"},
			"place":  {"Swiss tunnel", "salt mine", "ghost station", "watch factory", "lighthouse", "seed vault"},
		},
	},
	"films": {
		self: 0.55, domains: []string{"reelpost.example", "screenledger.example", "youtube.com"},
		flairs: []string{"Discussion", "Trailer", "Review", "Poster", "News"},
		titles: []string{
			"{film} - Official Trailer", "{film} ({year}) deserves a second look", "What {kind} nails its {part}?",
			"{film} wraps after {time} of shooting in {city}", "The {part} of {film} still holds up{tail}",
			"Watched {n} {kind}s in {time}: a ranking", "{film} renewed for season {n}",
		},
		words: map[string][]string{
			"film": {"The Glass Orchard", "Northbound", "A Quarter Past Rain", "Halcyon Street", "The Cartographer",
				"Salt Road", "Low Orbit", "Mirrors of June"},
			"kind": {"heist film", "courtroom drama", "slow-burn horror", "road movie", "sitcom", "miniseries"},
			"part": {"ending", "score", "third act", "opening shot", "sound design", "pilot"},
		},
	},
	"music": {
		domains: []string{"youtube.com", "tunes.example"}, self: 0.15,
		flairs: []string{"new release", "discussion", "live"},
		titles: []string{
			"{band} -- {song} [{genre}]", "{band} - {song} (live in {city})",
			"{band} announce first album in {time}", "Which {genre} record sounds best at night?",
			"{song} turns {n} today", "The bass line of {song} <3",
		},
		words: map[string][]string{
			"band":  {"The Paper Lanterns", "Velvet Tram", "Nine Kites", "Harbour & Sons", "Slow Magnets", "Owl Parade"},
			"song":  {"Glass Weather", "Second Monday", "Tin Roof", "Half a Moon", "Leaving Ghent", "Static"},
			"genre": {"indie rock", "jazz", "shoegaze", "funk", "ambient", "folk", "post-punk"},
		},
	},
	"books": {
		self: 0.8, domains: []string{"pagepost.example", "archivejournal.example"},
		flairs: []string{"Review", "Article", "WeeklyThread"},
		titles: []string{
			"Just finished {book} and I have {feeling}", "How {people} of {year} thought about {idea}",
			"Is {idea} possible without {idea}?", "Letters from {city}, {year}, found in a library book",
			"Books about {idea} that aren't {adj}?", "Why {people} wrote so much about {idea}",
		},
		words: map[string][]string{
			"book":    {"The Salt Almanac", "A House of Rivers", "Winter Grammar", "The Last Surveyor", "Ash & Ink"},
			"feeling": {"questions", "so many feelings", "nothing to say for {time}", "a new favourite"},
			"people":  {"the Stoics", "medieval monks", "sailors", "lighthouse keepers", "merchants in {city}"},
			"idea":    {"free will", "memory", "boredom", "justice", "translation", "loneliness", "maps"},
		},
	},
	"science": {
		domains: []string{"sciencewire.example", "journalofthings.example", "dataatlas.example"}, self: 0.2,
		flairs: []string{"Biology", "Physics", "Health", "Psychology", "Environment", "OC", "Research"},
		titles: []string{
			"Researchers in {city} find {effect} in {subject}", "Study of {n},000 {people}: {effect} linked to {cause}",
			"TIL that {subject} were first described in {year}", "{subject} show {effect} after {time}, new data suggest",
			"A {adj} method measures {effect} {n} times faster", "[OC] {effect} by country since {year}",
			"{cause} explains {share} of {effect}, meta-analysis finds",
		},
		words: map[string][]string{
			"subject": {"honeybees", "deep-sea corals", "gut bacteria", "perovskite cells", "migratory birds", "graph networks", "tardigrades"},
			"effect":  {"memory gains", "lower stress", "faster healing", "better sleep", "hidden rhythms", "slower ageing", "energy loss"},
			"cause":   {"daily walks", "street noise", "green space", "coffee", "shift work", "screen time", "vitamin D"},
			"people":  {"adults", "twins", "students", "nurses", "drivers", "children"},
		},
	},
	"space": {
		domains: []string{"orbitdaily.example", "i.redd.it", "skyjournal.example"}, self: 0.15,
		flairs: []string{"Discussion", "image/gif", "launch"},
		titles: []string{
			"{probe} sends first images of {world}", "Launch of {probe} moves to {n} May", "{world} through my backyard telescope{tail}",
			"Water ice on {world} is {share} deeper than thought", "All {n} burns done: {probe} is in orbit around {world}",
			"Why {world} has {n} kinds of clouds",
		},
		words: map[string][]string{
			"probe": {"Pathlight", "Meridian 4", "Aster-2", "Longshore", "Kestrel X"},
			"world": {"Europa", "Titan", "Ceres", "Mars", "the Orion Nebula", "Saturn", "Venus"},
		},
	},
	"technology": {
		domains: []string{"bitpost.example", "thechip.example", "wirehub.example", "gadgetry.example"}, self: 0.1,
		flairs: []string{"Privacy", "Business", "Hardware", "Artificial Intelligence", "Security", "Energy"},
		titles: []string{
			"{maker} to stop selling {device} in {country}", "Your {device} now {does}, and you can't turn it off",
			"{maker} fined over {matter}", "{share} of {device} sold in {country} last year were repaired, not replaced",
			"A {adj} battery charges {device} in {n} minutes", "{country} wants {matter} rules for {device} by 2030",
			"Leak shows {maker}'s {adj} {device}",
		},
		words: map[string][]string{
			"maker":  {"Northlight", "Quanta Labs", "Bluefin", "Hexabyte", "Orchard Systems", "Voltaic"},
			"device": {"smart fridges", "e-bikes", "phones", "headsets", "routers", "solar inverters", "robot vacuums"},
			"does":   {"show ads", "listen for keywords", "need an account", "share your location", "update at night"},
			"matter": {"right-to-repair", "dark patterns", "data retention", "e-waste", "age checks"},
		},
	},
	"code": {
		self: 0.5, domains: []string{"devnotes.example", "github.com", "compilerblog.example", "hexdump.example"},
		flairs: []string{"discussion", "show & tell", "help", "newbie", "release"},
		titles: []string{
			"How we cut {metric} by {share} with {tech}", "{tool} {n}.{n} released", "Is {tech} worth it for {n} users?",
			"A {adj} look at {tech} internals", "What I learned from {time} of {tech}{tail}",
			"Why does `{snippet}` behave differently here?", "Show: I wrote {tool}, a {tech} {artifact}",
			"You probably don't need {tech}", "Map<String, List<T>> vs {tech}: a benchmark",
			"Debugging {metric} in production: a story in {n} parts",
		},
		words: map[string][]string{
			"metric":   {"p99 latency", "memory use", "build times", "cold starts", "GC pauses", "our cloud bill"},
			"tech":     {"generics", "WebAssembly", "structured concurrency", "event sourcing", "io_uring", "SQLite", "type inference", "connection pooling"},
			"tool":     {"tinyqueue", "gopherlint", "pglens", "ferrite", "mdbook-graph", "quickdiff", "tapework"},
			"artifact": {"debugger", "linter", "scheduler", "parser", "terminal UI", "load generator"},
			"snippet":  {"a && b || c", "for range ch", "x <- y", "defer f()", "await all()", "0.1 + 0.2"},
		},
	},
	"systems": {
		self: 0.7, domains: []string{"opsjournal.example", "github.com", "i.redd.it"},
		flairs: []string{"Help", "Discussion", "Guide", "Tips and Tricks", "Rant"},
		titles: []string{
			"{tool} keeps restarting after {event}", "My {adj} rack after {time}{tail}", "{tool} {n}.{n}: what breaks",
			"Moved {n} services to {tool}, here is what hurt", "How do you back up {thing} & test it?",
			"PSA: check your {thing} before {event}", "Postmortem: {event} took down {thing} for {n} hours",
		},
		words: map[string][]string{
			"tool":  {"systemd", "the ingress controller", "Postgres", "WireGuard", "ZFS", "the CI runner", "a reverse proxy"},
			"event": {"the kernel update", "a certificate expiry", "a full disk", "daylight saving time", "a power cut"},
			"thing": {"DNS", "the mail server", "etcd", "secrets", "a NAS", "home automation", "the on-call phone"},
		},
	},
	"money": {
		self: 0.85, domains: []string{"marketwire.example", "ledgerdaily.example"},
		flairs: []string{"Budgeting", "Retirement", "Housing", "Taxes", "Company Discussion"},
		titles: []string{
			"I'm {n} months into {goal}, should I change {plan}?", "{sector} down {share} this week: noise or not?",
			"Is {plan} reasonable at {share} of income?", "Inherited ${n},000, thinking about {plan}",
			"Inflation in {country} falls to {n}.1% amid weak demand for {sector}", "How I paid for {goal} in {time}",
		},
		words: map[string][]string{
			"goal":   {"saving for a house", "paying off loans", "a career change", "an emergency fund", "early retirement"},
			"plan":   {"a fixed mortgage", "index funds", "renting", "a second job", "bonds", "a used car"},
			"sector": {"semiconductors", "shipping", "utilities", "timber", "grain", "airlines"},
		},
	},
	"sports": {
		self: 0.35, domains: []string{"v.redd.it", "pitchside.example", "scoreline.example"},
		flairs: []string{"Highlight", "Post Match Thread", "Rumour", "Stats", "News"},
		titles: []string{
			"[Highlight] {team} score from {n} metres", "Post match thread: {team} {n} - 1 {team}",
			"{team} confirm {move}", "{team} have not lost at home for {time}", "[Stats] {n} wins in a row: how {team} did it",
			"{team} vs {team}: what decided the {part}", "Rumour: {team} close to {move}",
		},
		words: map[string][]string{
			"team": {"Harbor City", "Northgate United", "the Ravens of Leeds", "Atletico Bergen", "the Comets", "Real Tallinn", "the Otters"},
			"move": {"a new coach", "a two-year stadium deal", "the record transfer", "a new engine partner"},
			"part": {"final lap", "second half", "fourth quarter", "penalty shoot-out", "tie-break"},
		},
	},
	"food": {
		self: 0.35, domains: []string{"i.redd.it", "recipes.example"},
		flairs: []string{"Recipe In Comments", "Open Discussion", "home improvement", "help"},
		titles: []string{
			"[Homemade] {dish} with {side}", "What can I do with {n} kg of {side}?", "My {adj} {dish}, attempt {n}",
			"{dish} from {city}, how do they get it so {texture}?", "Built a {object} from pallets in {time}",
			"Stop {sin} your {side}", "First {object} with my dad{tail}",
		},
		words: map[string][]string{
			"dish":    {"ramen", "sourdough", "mushroom risotto", "pierogi", "tteokbokki", "lasagne", "birria tacos", "pão de queijo"},
			"side":    {"pickled onions", "chili oil", "roast carrots", "garlic", "lemons", "lentils", "plums"},
			"texture": {"crispy", "silky", "green", "light", "smoky"},
			"object":  {"bookshelf", "pizza oven", "garden bench", "workbench", "spice rack"},
			"sin":     {"overcooking", "washing", "boiling", "refrigerating", "peeling"},
		},
	},
}
