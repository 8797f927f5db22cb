package redditsim

// entry is a well-known community: how busy it is, and what it is about.
type entry struct {
	name        string
	topic       string  // of the words that titles are made of
	perMinute   float64 // posts, as a mean over the day
	reach       float64 // points that its best posts get
	chatter     float64 // comments per point
	subscribers int
}

// catalogue is the communities that have their own pace. Figures are orders of
// magnitude of the real ones: AskReddit has 204 posts an hour, most have fewer
// than one a minute.
var catalogue = []entry{
	{"AskReddit", "ask", 3.4, 45_000, 0.35, 57_000_000},
	{"memes", "funny", 2.1, 70_000, 0.01, 35_000_000},
	{"teenagers", "ask", 1.9, 9_000, 0.20, 3_100_000},
	{"gaming", "games", 0.75, 60_000, 0.06, 46_000_000},
	{"politics", "politics", 0.90, 45_000, 0.08, 8_900_000},
	{"worldnews", "news", 0.60, 50_000, 0.09, 45_000_000},
	{"news", "news", 0.35, 40_000, 0.10, 30_000_000},
	{"funny", "funny", 0.70, 90_000, 0.02, 66_000_000},
	{"pics", "pictures", 0.55, 80_000, 0.03, 33_000_000},
	{"aww", "animals", 0.60, 60_000, 0.01, 37_000_000},
	{"videos", "videos", 0.40, 30_000, 0.07, 27_000_000},
	{"movies", "films", 0.30, 30_000, 0.12, 36_000_000},
	{"television", "films", 0.12, 20_000, 0.13, 18_000_000},
	{"Music", "music", 0.40, 15_000, 0.06, 38_000_000},
	{"books", "books", 0.10, 9_000, 0.20, 27_000_000},
	{"todayilearned", "science", 0.35, 60_000, 0.05, 41_000_000},
	{"science", "science", 0.10, 35_000, 0.05, 34_000_000},
	{"space", "space", 0.10, 25_000, 0.06, 28_000_000},
	{"technology", "technology", 0.25, 35_000, 0.08, 20_000_000},
	{"gadgets", "technology", 0.04, 12_000, 0.09, 22_000_000},
	{"Futurology", "technology", 0.06, 15_000, 0.12, 21_000_000},
	{"programming", "code", 0.09, 4_000, 0.15, 6_800_000},
	{"learnprogramming", "code", 0.13, 2_500, 0.25, 4_200_000},
	{"webdev", "code", 0.10, 2_500, 0.30, 3_200_000},
	{"golang", "code", 0.05, 700, 0.30, 340_000},
	{"rust", "code", 0.06, 1_200, 0.20, 380_000},
	{"Python", "code", 0.08, 2_000, 0.12, 1_400_000},
	{"javascript", "code", 0.05, 1_500, 0.20, 2_400_000},
	{"java", "code", 0.03, 600, 0.30, 370_000},
	{"cpp", "code", 0.03, 700, 0.30, 330_000},
	{"linux", "systems", 0.06, 4_000, 0.15, 1_900_000},
	{"kubernetes", "systems", 0.03, 400, 0.30, 190_000},
	{"devops", "systems", 0.03, 600, 0.40, 430_000},
	{"sysadmin", "systems", 0.07, 3_500, 0.30, 1_100_000},
	{"selfhosted", "systems", 0.07, 2_500, 0.20, 640_000},
	{"homelab", "systems", 0.07, 3_000, 0.12, 950_000},
	{"PostgreSQL", "systems", 0.01, 200, 0.40, 60_000},
	{"dataisbeautiful", "science", 0.04, 30_000, 0.06, 22_000_000},
	{"MachineLearning", "science", 0.05, 2_000, 0.15, 3_000_000},
	{"explainlikeimfive", "ask", 0.13, 15_000, 0.12, 23_000_000},
	{"NoStupidQuestions", "ask", 0.90, 20_000, 0.25, 6_000_000},
	{"personalfinance", "money", 0.25, 6_000, 0.25, 21_000_000},
	{"investing", "money", 0.05, 2_500, 0.35, 3_000_000},
	{"stocks", "money", 0.10, 4_000, 0.35, 8_600_000},
	{"Economics", "money", 0.05, 8_000, 0.15, 5_400_000},
	{"europe", "news", 0.20, 20_000, 0.12, 9_700_000},
	{"sports", "sports", 0.12, 30_000, 0.05, 22_000_000},
	{"soccer", "sports", 0.35, 15_000, 0.10, 8_200_000},
	{"nba", "sports", 0.30, 18_000, 0.15, 15_000_000},
	{"formula1", "sports", 0.10, 15_000, 0.10, 5_300_000},
	{"cooking", "food", 0.08, 6_000, 0.25, 5_900_000},
	{"food", "food", 0.20, 25_000, 0.02, 24_000_000},
	{"gardening", "animals", 0.20, 8_000, 0.08, 8_200_000},
	{"EarthPorn", "pictures", 0.06, 25_000, 0.01, 24_000_000},
	{"photography", "pictures", 0.05, 3_000, 0.20, 5_500_000},
	{"DIY", "food", 0.08, 15_000, 0.08, 26_000_000},
	{"travel", "pictures", 0.10, 6_000, 0.15, 12_000_000},
	{"history", "books", 0.02, 9_000, 0.10, 18_000_000},
	{"philosophy", "books", 0.02, 4_000, 0.20, 18_000_000},
	{"boardgames", "games", 0.06, 3_000, 0.20, 5_400_000},
	{"pcgaming", "games", 0.06, 10_000, 0.20, 3_700_000},
	{"chess", "games", 0.08, 5_000, 0.12, 1_800_000},
}

// lively are the communities that a new system begins with.
var lively = []string{
	"AskReddit", "worldnews", "technology", "programming", "science", "gaming", "movies", "golang",
}
