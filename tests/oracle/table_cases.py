"""What the oracle of model files (table.py) fits: estimators with the parameters that they are drawn from, the
data they are fitted on, and whole models of several parts. Runs with scikit-learn from 0.24 on: a class or a
parameter that a version does not have is left out."""

import importlib
import inspect
import warnings

import numpy as np

warnings.filterwarnings("ignore")
MODULES = ("linear_model svm neighbors naive_bayes tree ensemble neural_network discriminant_analysis dummy "
           "gaussian_process kernel_ridge kernel_approximation cross_decomposition multiclass multioutput "
           "semi_supervised calibration isotonic mixture cluster covariance decomposition preprocessing impute "
           "feature_selection feature_extraction feature_extraction.text random_projection compose pipeline "
           "model_selection frozen").split()


class Absent(Exception):
    """This version of scikit-learn does not have it."""


def find(name):
    """A class by its name alone."""
    importlib.import_module("sklearn.experimental.enable_iterative_imputer")
    for module in MODULES:
        try:
            found = getattr(importlib.import_module("sklearn." + module), name, None)
        except ImportError:
            continue
        if found is not None:
            return found
    raise Absent(name)


def make(name, **parameters):
    """An estimator; parameters that this version does not know are left out."""
    known = inspect.signature(find(name).__init__).parameters
    return find(name)(**{k: v for k, v in parameters.items() if k in known})


# ---- Data ----

def numbers(random, rows=160, columns=6):
    x = random.normal(0, 1, (rows, columns))
    x[:, 1] = random.integers(0, 9, rows)                   # equal values, and whole ones
    x[:, 2] = np.exp(x[:, 2])
    return x


def texts(random, rows):
    words = ("casa carro Avião mesa, lembrança copo-de-leite x9 r2d2 café CAFÉ não 42 a b azul verde "
             "menino maçã o'neil wi-fi señor straße").split()
    return [" ".join(random.choice(words, random.integers(1, 9))) for _ in range(rows)]


def table(random, rows=160):
    """A DataFrame of all kinds of columns, with what is missing."""
    import pandas
    frame = pandas.DataFrame({
        "age": random.integers(18, 80, rows).astype(float),
        "income": np.exp(random.normal(8, 1, rows)),
        "city": random.choice(np.array(["São Paulo", "Recife", "Natal", "Olinda"], object), rows),
        "plan": random.choice(np.array(["basic", "gold", "rare"], object), rows, p=[.6, .37, .03]),
        "visits": random.integers(0, 5, rows),
        "score": random.normal(0, 3, rows),
    })
    frame.loc[random.random(rows) < .1, "age"] = np.nan
    frame.loc[random.random(rows) < .1, "score"] = np.nan
    return frame


def data(kind, random):
    """What estimators are fitted on, by the name of its kind."""
    x = numbers(random)
    if kind == "smooth":                                    # no two rows are equally near
        x[:, 1] = random.normal(0, 2, len(x))
    if kind == "missing":
        x[random.random(x.shape) < .12] = np.nan
    elif kind == "positive":
        x = np.abs(x) + .01
    elif kind == "counts":
        x = random.integers(0, 6, x.shape).astype(float)
    elif kind == "codes":
        x = random.integers(0, 4, x.shape).astype(float)
    elif kind == "one":
        x = x[:, :1]
    elif kind == "words":
        return np.array([random.choice(["a", "b", "ç", "d"], len(x)), random.choice(["u", "v", "w"], len(x))],
                        object).T
    elif kind == "texts":
        return texts(random, len(x))
    elif kind == "table":
        return table(random)
    elif kind == "categories":
        frame = table(random)
        return frame.astype({"city": "category", "plan": "category"})
    elif kind == "labels":
        return random.choice(np.array(["no", "yes", "perhaps"], object), len(x))
    elif kind == "dicts":
        return [{"size": float(a), "colour": str(c), "ok": float(b)} for a, b, c in
                zip(x[:, 0], x[:, 1] > 4, random.choice(["red", "green", "bleu"], len(x)))]
    return x


def signal(x, random):
    """Numbers that depend on whatever x is."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        z = np.nan_to_num(x)
        y = z[:, 0] * 2 + np.sin(z[:, -1]) - (z[:, 1 % z.shape[1]] > 4)
    elif hasattr(x, "columns"):
        y = np.log(x["income"].to_numpy()) + (x["city"] == "Natal").to_numpy() * 2 + np.nan_to_num(x["age"]) / 40
    else:
        y = np.array([len(str(row)) % 7 for row in x]) / 2.
    return y + random.normal(0, .3, len(y))


def target(kind, x, random):
    y = signal(x, random)
    cuts = np.quantile(y, [.35, .7])
    classes = np.searchsorted(cuts, y)
    if kind == "none":
        return None
    if kind == "numbers":
        return y
    if kind == "positive":
        return np.exp(y / 3)
    if kind == "two numbers":
        return np.column_stack([y, signal(x, random) ** 2])
    if kind == "two":
        return (classes > 0).astype(int)
    if kind == "bool":
        return classes > 1
    if kind == "three":
        return np.array(["alto", "médio", "baixo"], object)[classes]
    if kind == "seven":
        return np.searchsorted(np.quantile(y, [.15, .3, .45, .6, .75, .9]), y) * 10 + 3
    if kind == "labels":
        return np.column_stack([classes > 0, classes > 1, y > np.median(y) + random.normal(0, .5, len(y))]).astype(int)
    if kind == "two classes":
        return np.column_stack([classes, (classes > 0) * 5 + 2])
    if kind == "two words":
        return np.column_stack([np.array(["a", "b", "c"], object)[classes], np.array(["n", "y"], object)[(classes > 1) * 1]])
    raise ValueError(kind)


# ---- Single estimators: name, data, targets (parted by ;), what parameters are drawn from ----

B = [True, False]
KERNELS = ["linear", "rbf", "poly", "sigmoid"]
REGRESSION, CLASSES = "numbers", "two;three;bool;seven"

SINGLE = [
    # Linear models.
    ("LinearRegression", "plain", "numbers;two numbers", dict(fit_intercept=B)),
    ("Ridge", "plain", "numbers;two numbers", dict(alpha=[.1, 1, 30], fit_intercept=B)),
    ("RidgeCV", "plain", "numbers;two numbers", dict(alphas=[(.1, 1, 10)])),
    ("Lasso", "plain", "numbers", dict(alpha=[.01, .1])),
    ("LassoCV", "plain", "numbers", dict(cv=[3])),
    ("ElasticNet", "plain", "numbers;two numbers", dict(alpha=[.01, .1], l1_ratio=[.2, .8])),
    ("ElasticNetCV", "plain", "numbers", dict(cv=[3])),
    ("MultiTaskLasso", "plain", "two numbers", dict(alpha=[.1])),
    ("MultiTaskElasticNet", "plain", "two numbers", dict(alpha=[.1])),
    ("MultiTaskLassoCV", "plain", "two numbers", dict(cv=[3])),
    ("MultiTaskElasticNetCV", "plain", "two numbers", dict(cv=[3])),
    ("Lars", "plain", "numbers", dict(n_nonzero_coefs=[3, 10])),
    ("LarsCV", "plain", "numbers", dict(cv=[3])),
    ("LassoLars", "plain", "numbers", dict(alpha=[.01])),
    ("LassoLarsCV", "plain", "numbers", dict(cv=[3])),
    ("LassoLarsIC", "plain", "numbers", {}),
    ("OrthogonalMatchingPursuit", "plain", "numbers", {}),
    ("OrthogonalMatchingPursuitCV", "plain", "numbers", dict(cv=[3])),
    ("BayesianRidge", "plain", "numbers", {}),
    ("ARDRegression", "plain", "numbers", {}),
    ("HuberRegressor", "plain", "numbers", dict(epsilon=[1.2, 1.5])),
    ("TheilSenRegressor", "plain", "numbers", dict(random_state=[0], max_subpopulation=[300])),
    ("RANSACRegressor", "plain", "numbers", dict(random_state=[0])),
    ("QuantileRegressor", "plain", "numbers", dict(quantile=[.3, .7], alpha=[.01], solver=["highs"])),
    ("SGDRegressor", "plain", "numbers", dict(loss=["squared_error", "huber"], random_state=[1])),
    ("PassiveAggressiveRegressor", "plain", "numbers", dict(random_state=[1])),
    ("LinearSVR", "plain", "numbers", dict(random_state=[1], C=[.5, 2])),
    ("PoissonRegressor", "plain", "positive", dict(alpha=[.1, 1])),
    ("GammaRegressor", "plain", "positive", dict(alpha=[.1, 1])),
    ("TweedieRegressor", "plain", "positive", dict(power=[0, 1.5, 2], link=["auto", "log"])),
    ("LogisticRegression", "plain", CLASSES, dict(C=[.2, 5], solver=["lbfgs", "newton-cg"],
                                                  multi_class=["auto", "ovr", "multinomial"])),
    ("LogisticRegression", "plain", "two;bool", dict(C=[.2, 5], solver=["liblinear"], penalty=["l1", "l2"])),
    ("LogisticRegressionCV", "plain", CLASSES, dict(cv=[3], Cs=[3])),
    ("SGDClassifier", "plain", CLASSES, dict(loss=["hinge", "modified_huber", "log_loss", "perceptron"], random_state=[0])),
    ("Perceptron", "plain", CLASSES, dict(random_state=[0])),
    ("PassiveAggressiveClassifier", "plain", CLASSES, dict(random_state=[0])),
    ("RidgeClassifier", "plain", CLASSES + ";labels", dict(alpha=[.3, 3])),
    ("RidgeClassifierCV", "plain", CLASSES, {}),
    ("LinearSVC", "plain", CLASSES, dict(random_state=[0], C=[.3, 3])),
    ("SGDOneClassSVM", "plain", "none", dict(random_state=[0], nu=[.1, .4])),
    ("IsotonicRegression", "one", "numbers", dict(out_of_bounds=["clip"], increasing=B)),
    ("PLSRegression", "plain", "numbers;two numbers", dict(n_components=[1, 2, 3], scale=B)),
    ("PLSCanonical", "plain", "two numbers", dict(n_components=[1, 2])),
    ("CCA", "plain", "two numbers", dict(n_components=[1, 2])),
    # Discriminants and naive Bayes.
    ("LinearDiscriminantAnalysis", "plain", CLASSES, dict(solver=["svd", "lsqr", "eigen"])),
    ("QuadraticDiscriminantAnalysis", "plain", "two;three;bool", dict(reg_param=[0., .2], store_covariance=B)),
    ("GaussianNB", "plain", CLASSES, dict(var_smoothing=[1e-9, 1e-3])),
    ("MultinomialNB", "counts", CLASSES, dict(alpha=[.3, 1], fit_prior=B)),
    ("ComplementNB", "counts", CLASSES, dict(norm=B)),
    ("BernoulliNB", "plain", CLASSES, dict(binarize=[0., .5])),
    ("CategoricalNB", "codes", CLASSES, dict(min_categories=[4])),
    # Support vectors, neighbours, Gaussian processes.
    ("SVC", "plain", CLASSES, dict(kernel=KERNELS, probability=B, gamma=["scale", .1], random_state=[0],
                                   decision_function_shape=["ovr", "ovo"], degree=[2, 3])),
    ("NuSVC", "plain", "two;three", dict(kernel=["rbf", "linear"], nu=[.2], probability=B, random_state=[0])),
    ("SVR", "plain", "numbers", dict(kernel=KERNELS, C=[.5, 5])),
    ("NuSVR", "plain", "numbers", dict(kernel=KERNELS, nu=[.3])),
    ("OneClassSVM", "plain", "none", dict(kernel=["rbf", "sigmoid"], nu=[.1, .3])),
    ("KernelRidge", "plain", "numbers;two numbers", dict(kernel=["linear", "rbf", "poly", "laplacian"], gamma=[None, .1])),
    ("KNeighborsClassifier", "smooth", CLASSES + ";two classes;two words;labels",
     dict(n_neighbors=[1, 5, 8], weights=["uniform", "distance"], p=[1, 2, 3],
          algorithm=["brute", "kd_tree", "ball_tree"])),
    ("KNeighborsRegressor", "smooth", "numbers;two numbers",
     dict(n_neighbors=[1, 5, 8], weights=["uniform", "distance"], metric=["minkowski", "manhattan", "chebyshev", "cosine"])),
    ("RadiusNeighborsClassifier", "smooth", "two;three", dict(radius=[4., 8.], weights=["uniform", "distance"],
                                                             outlier_label=["most_frequent"])),
    ("RadiusNeighborsRegressor", "smooth", "numbers;two numbers", dict(radius=[4., 8.], weights=["uniform", "distance"])),
    ("NearestCentroid", "plain", CLASSES, dict(metric=["euclidean", "manhattan"], shrink_threshold=[None, .2])),
    ("LocalOutlierFactor", "plain", "none", dict(novelty=[True], n_neighbors=[7, 20])),
    ("GaussianProcessRegressor", "plain", "numbers;two numbers", dict(kernel=["gp:rbf", "gp:matern", "gp:sum", None], normalize_y=B)),
    ("GaussianProcessClassifier", "plain", "two;three", dict(kernel=["gp:rbf", "gp:dot"], multi_class=["one_vs_rest", "one_vs_one"])),
    ("LabelPropagation", "plain", "two;three", dict(kernel=["rbf", "knn"], gamma=[.5])),
    ("LabelSpreading", "plain", "two;three", dict(kernel=["rbf", "knn"], gamma=[.5])),
    # Trees.
    ("DecisionTreeClassifier", "plain;missing", CLASSES + ";two classes;labels", dict(max_depth=[3, None], random_state=[0], criterion=["gini", "entropy"])),
    ("DecisionTreeRegressor", "plain;missing", "numbers;two numbers", dict(max_depth=[3, None], random_state=[0])),
    ("ExtraTreeClassifier", "plain", CLASSES, dict(random_state=[0])),
    ("ExtraTreeRegressor", "plain", "numbers;two numbers", dict(random_state=[0])),
    ("RandomForestClassifier", "plain;missing", CLASSES + ";two classes;two words;labels", dict(n_estimators=[7, 30], max_depth=[4, None], random_state=[0])),
    ("RandomForestRegressor", "plain;missing", "numbers;two numbers", dict(n_estimators=[7, 30], random_state=[0])),
    ("ExtraTreesClassifier", "plain", CLASSES + ";two classes", dict(n_estimators=[20], random_state=[0])),
    ("ExtraTreesRegressor", "plain", "numbers;two numbers", dict(n_estimators=[20], random_state=[0])),
    ("GradientBoostingClassifier", "plain", CLASSES, dict(n_estimators=[20], subsample=[1., .7], random_state=[0])),
    ("GradientBoostingRegressor", "plain", "numbers", dict(n_estimators=[20], loss=["squared_error", "huber", "quantile"], random_state=[0])),
    ("HistGradientBoostingClassifier", "plain;missing", CLASSES, dict(max_iter=[15], max_depth=[None, 3], random_state=[0])),
    ("HistGradientBoostingRegressor", "plain;missing", "positive", dict(max_iter=[15], loss=["squared_error", "poisson", "gamma", "quantile"],
                                                                       quantile=[.3], random_state=[0])),
    ("AdaBoostClassifier", "plain", CLASSES, dict(n_estimators=[10], random_state=[0], algorithm=["SAMME", "SAMME.R"])),
    ("AdaBoostRegressor", "plain", "numbers", dict(n_estimators=[10], random_state=[0])),
    ("BaggingClassifier", "plain", CLASSES, dict(n_estimators=[6], max_features=[1., .6], random_state=[0])),
    ("BaggingRegressor", "plain", "numbers;two numbers", dict(n_estimators=[6], max_features=[1., .6], random_state=[0])),
    ("IsolationForest", "plain", "none", dict(n_estimators=[20], max_features=[1., .6], random_state=[0], contamination=["auto", .1])),
    # Neural networks, dummies.
    ("MLPClassifier", "plain", CLASSES + ";labels", dict(hidden_layer_sizes=[(8,), (6, 5)], activation=["relu", "tanh", "logistic"], max_iter=[40], random_state=[0])),
    ("MLPRegressor", "plain", "numbers;two numbers", dict(hidden_layer_sizes=[(8,), (6, 5)], activation=["relu", "identity"], max_iter=[40], random_state=[0])),
    ("DummyClassifier", "plain", CLASSES, dict(strategy=["prior", "most_frequent"])),
    ("DummyRegressor", "plain", "numbers;two numbers", dict(strategy=["mean", "median"])),
    # Clusters, mixtures, outliers.
    ("KMeans", "plain", "none", dict(n_clusters=[2, 5], random_state=[0], n_init=[2])),
    ("MiniBatchKMeans", "plain", "none", dict(n_clusters=[2, 5], random_state=[0], n_init=[2])),
    ("BisectingKMeans", "plain", "none", dict(n_clusters=[2, 5], random_state=[0])),
    ("MeanShift", "plain", "none", dict(bandwidth=[2.])),
    ("AffinityPropagation", "plain", "none", dict(random_state=[0])),
    ("Birch", "plain", "none", dict(n_clusters=[3, None], threshold=[1.])),
    ("GaussianMixture", "plain", "none", dict(n_components=[1, 3], covariance_type=["full", "tied", "diag", "spherical"], random_state=[0])),
    ("BayesianGaussianMixture", "plain", "none", dict(n_components=[3], covariance_type=["full", "diag"], random_state=[0])),
    ("EllipticEnvelope", "plain", "none", dict(random_state=[0], contamination=[.1, .2])),
]

# Transformers: the same.
TRANSFORMERS = [
    ("StandardScaler", "plain;missing", "none", dict(with_mean=B, with_std=B)),
    ("MinMaxScaler", "plain;missing", "none", dict(feature_range=[(0, 1), (-2, 3)], clip=B)),
    ("MaxAbsScaler", "plain;missing", "none", {}),
    ("RobustScaler", "plain;missing", "none", dict(with_centering=B, unit_variance=B)),
    ("Normalizer", "plain", "none", dict(norm=["l1", "l2", "max"])),
    ("Binarizer", "plain", "none", dict(threshold=[0., .7])),
    ("PowerTransformer", "positive;missing", "none", dict(method=["yeo-johnson"], standardize=B)),
    ("PowerTransformer", "positive", "none", dict(method=["box-cox"], standardize=B)),
    ("QuantileTransformer", "plain;missing", "none", dict(n_quantiles=[30], output_distribution=["uniform", "normal"])),
    ("KBinsDiscretizer", "plain", "none", dict(n_bins=[3, 5], encode=["ordinal", "onehot-dense"], strategy=["uniform", "quantile"])),
    ("PolynomialFeatures", "plain", "none", dict(degree=[2, 3], interaction_only=B, include_bias=B)),
    ("SplineTransformer", "plain", "none", dict(n_knots=[4, 6], degree=[2, 3], include_bias=B,
                                                extrapolation=["constant", "linear", "continue", "periodic"])),
    ("FunctionTransformer", "positive", "none", dict(func=["np:log1p", "np:sqrt", None])),
    ("OneHotEncoder", "words", "none", dict(drop=[None, "first"], handle_unknown=["error", "ignore"], min_frequency=[None, 45])),
    ("OrdinalEncoder", "words;codes", "none", {}),
    ("TargetEncoder", "words", "numbers;two;three", dict(random_state=[0])),
    ("LabelEncoder", "labels", "none", {}),
    ("LabelBinarizer", "labels", "none", {}),
    ("SimpleImputer", "missing", "none", dict(strategy=["mean", "median", "most_frequent"], add_indicator=B)),
    ("KNNImputer", "missing", "none", dict(n_neighbors=[2, 5], weights=["uniform", "distance"], add_indicator=B)),
    ("IterativeImputer", "missing", "none", dict(max_iter=[3], random_state=[0], add_indicator=B, initial_strategy=["mean", "median"],
                                                 imputation_order=["ascending", "roman", "random"])),
    ("MissingIndicator", "missing", "none", dict(features=["missing-only", "all"])),
    ("PCA", "plain", "none", dict(n_components=[2, 4, .9], whiten=B, random_state=[0])),
    ("IncrementalPCA", "plain", "none", dict(n_components=[3], whiten=B)),
    ("TruncatedSVD", "plain", "none", dict(n_components=[2], random_state=[0])),
    ("FastICA", "plain", "none", dict(n_components=[3], random_state=[0], whiten=["unit-variance"])),
    ("FactorAnalysis", "plain", "none", dict(n_components=[2])),
    ("SparsePCA", "plain", "none", dict(n_components=[2], random_state=[0], max_iter=[20])),
    ("MiniBatchSparsePCA", "plain", "none", dict(n_components=[2], random_state=[0], max_iter=[20])),
    ("KernelPCA", "plain", "none", dict(n_components=[3], kernel=["rbf", "poly", "linear", "cosine"], gamma=[.1])),
    ("NMF", "positive", "none", dict(n_components=[2], init=["nndsvda"])),
    ("LatentDirichletAllocation", "counts", "none", dict(n_components=[3], random_state=[0], max_iter=[3])),
    ("DictionaryLearning", "plain", "none", dict(n_components=[3], max_iter=[5], random_state=[0])),
    ("BernoulliRBM", "codes", "none", dict(n_components=[4], n_iter=[2], random_state=[0])),
    ("NeighborhoodComponentsAnalysis", "plain", "three", dict(n_components=[2], max_iter=[5], random_state=[0])),
    ("LinearDiscriminantAnalysis", "plain", "three;seven", dict(n_components=[None, 1], solver=["svd", "eigen"])),
    ("PLSRegression", "plain", "numbers", dict(n_components=[2])),
    ("GaussianRandomProjection", "plain", "none", dict(n_components=[3], random_state=[0])),
    ("SparseRandomProjection", "plain", "none", dict(n_components=[3], random_state=[0])),
    ("Nystroem", "plain", "none", dict(n_components=[5], random_state=[0], kernel=["rbf", "poly", "cosine"], gamma=[.1])),
    ("RBFSampler", "plain", "none", dict(n_components=[8], random_state=[0])),
    ("AdditiveChi2Sampler", "positive", "none", dict(sample_steps=[1, 2, 3])),
    ("SkewedChi2Sampler", "positive", "none", dict(n_components=[6], random_state=[0])),
    ("PolynomialCountSketch", "plain", "none", dict(n_components=[8], random_state=[0])),
    ("FeatureAgglomeration", "plain", "none", dict(n_clusters=[2, 3])),
    ("KMeans", "plain", "none", dict(n_clusters=[3], random_state=[0], n_init=[1])),
    ("RandomTreesEmbedding", "plain", "none", dict(n_estimators=[3], max_depth=[2], random_state=[0])),
    ("VarianceThreshold", "plain;missing", "none", dict(threshold=[0., 1.])),
    ("SelectKBest", "plain", "two", dict(k=[2, 4])),
    ("SelectPercentile", "plain", "numbers", dict(percentile=[50])),
    ("SelectFpr", "plain", "two", {}),
    ("SelectFdr", "plain", "two", {}),
    ("SelectFwe", "plain", "two", {}),
    ("GenericUnivariateSelect", "plain", "two", dict(mode=["percentile", "fpr", "fdr", "fwe"], param=[.3])),
    ("CountVectorizer", "texts", "none", dict(ngram_range=[(1, 1), (1, 2)], binary=B, lowercase=B, strip_accents=[None, "unicode", "ascii"])),
    ("TfidfVectorizer", "texts", "none", dict(analyzer=["word", "char", "char_wb"], sublinear_tf=B, norm=["l2", "l1", None], max_features=[None, 30])),
    ("HashingVectorizer", "texts", "none", dict(n_features=[64], alternate_sign=B)),
    ("DictVectorizer", "dicts", "none", dict(sparse=B)),
    ("FeatureHasher", "dicts", "none", dict(n_features=[16])),
    ("Isomap", "plain", "none", dict(n_components=[2])),
]


def drawn(random, value):
    if value == "gp:rbf":
        kernels = importlib.import_module("sklearn.gaussian_process.kernels")
        return kernels.ConstantKernel(2.) * kernels.RBF(random.choice([1., 2.]))
    if value == "gp:matern":
        kernels = importlib.import_module("sklearn.gaussian_process.kernels")
        return kernels.Matern(length_scale=1.5, nu=random.choice([.5, 1.5, 2.5]))
    if value == "gp:sum":
        kernels = importlib.import_module("sklearn.gaussian_process.kernels")
        return kernels.RBF(np.full(6, 2.)) + kernels.WhiteKernel(.1) + kernels.RationalQuadratic()
    if value == "gp:dot":
        kernels = importlib.import_module("sklearn.gaussian_process.kernels")
        return kernels.DotProduct() + kernels.WhiteKernel()
    if isinstance(value, str) and value.startswith("np:"):
        return getattr(np, value[3:])
    return value


def draw(random, name, choices):
    """One of all ways to set an estimator's parameters."""
    return make(name, **{k: drawn(random, v[random.integers(len(v))]) for k, v in choices.items()})


# ---- Models of several parts ----

def columns(numeric, categorical, **more):
    return make("ColumnTransformer", transformers=[
        ("numbers", numeric, ["age", "income", "visits", "score"]),
        ("words", categorical, ["city", "plan"])], **more)


def chain(*steps):
    return make("Pipeline", steps=[("s%d" % i, s) for i, s in enumerate(steps)])


def filled(*more):
    return chain(make("SimpleImputer", strategy="median"), *more)


def logistic(**parameters):
    return make("LogisticRegression", max_iter=300, **parameters)


def inner(name, estimator, **parameters):
    """A meta-estimator; what it is given is `estimator` or, before 1.2, `base_estimator`."""
    known = inspect.signature(find(name).__init__).parameters
    return make(name, **{"estimator" if "estimator" in known else "base_estimator": estimator}, **parameters)


def forest(kind, **parameters):
    return make("RandomForest" + kind, n_estimators=8, random_state=0, **parameters)


def picked(name, **parameters):
    return chain(inner(name, forest("Classifier"), **parameters), logistic())


# name, data, targets, what makes it
WHOLE = [
    ("Pipeline of scaler and linear model", "plain", "two;three", lambda r: chain(make("StandardScaler"), logistic())),
    ("Pipeline of PCA and SVC", "plain", "three", lambda r: chain(make("PCA", n_components=3), make("SVC", probability=False))),
    ("Pipeline with passthrough", "plain", "numbers", lambda r: chain("passthrough", make("MinMaxScaler"), make("Ridge"))),
    ("Pipeline of KNNImputer and forest", "missing", "three", lambda r: chain(make("KNNImputer"), forest("Classifier"))),
    ("Pipeline of IterativeImputer and Ridge", "missing", "numbers", lambda r: chain(make("IterativeImputer", random_state=0, max_iter=3), make("Ridge"))),
    ("Pipeline of splines and Ridge", "plain", "numbers", lambda r: chain(make("SplineTransformer", n_knots=4), make("Ridge"))),
    ("Pipeline of bins and linear model", "plain", "two", lambda r: chain(make("KBinsDiscretizer", n_bins=4), logistic())),
    ("Pipeline of Nystroem and SGD", "plain", "two", lambda r: chain(make("Nystroem", n_components=10, random_state=0), make("SGDClassifier", random_state=0))),
    ("Pipeline of texts", "texts", "three", lambda r: chain(make("TfidfVectorizer"), logistic())),
    ("Pipeline of texts and naive Bayes", "texts", "two", lambda r: chain(make("CountVectorizer", ngram_range=(1, 2)), make("TfidfTransformer"), make("MultinomialNB"))),
    ("Pipeline of texts and SVD", "texts", "numbers", lambda r: chain(make("TfidfVectorizer"), make("TruncatedSVD", n_components=3, random_state=0), make("Ridge"))),
    ("Pipeline of dictionaries", "dicts", "two", lambda r: chain(make("DictVectorizer"), logistic())),
    ("Pipeline of selectors", "plain", "three", lambda r: picked("SelectFromModel")),
    ("Pipeline of RFE", "plain", "three", lambda r: picked("RFE", n_features_to_select=3)),
    ("Pipeline of RFECV", "plain", "two", lambda r: picked("RFECV", cv=2)),
    ("Pipeline of SequentialFeatureSelector", "plain", "two", lambda r: chain(inner("SequentialFeatureSelector", logistic(), n_features_to_select=2, cv=2), logistic())),
    ("Pipeline of clusters as features", "plain", "two", lambda r: chain(make("KMeans", n_clusters=4, random_state=0, n_init=1), logistic())),
    ("Pipeline of LDA and neighbours", "plain", "three", lambda r: chain(make("LinearDiscriminantAnalysis"), make("KNeighborsClassifier"))),
    ("FeatureUnion", "plain", "numbers", lambda r: chain(make("FeatureUnion", transformer_list=[("a", make("PCA", n_components=2)), ("b", make("StandardScaler"))], transformer_weights={"a": 2.}), make("Ridge"))),
    ("ColumnTransformer by name", "table", "three", lambda r: chain(columns(filled(make("StandardScaler")), make("OneHotEncoder", handle_unknown="ignore")), logistic())),
    ("ColumnTransformer with remainder", "table", "numbers", lambda r: chain(make("ColumnTransformer", transformers=[("w", make("OneHotEncoder", drop="first"), ["city"]), ("d", "drop", ["plan"])], remainder=make("SimpleImputer")), forest("Regressor"))),
    ("ColumnTransformer and boosting", "table", "two", lambda r: chain(columns("passthrough", make("OrdinalEncoder", handle_unknown="use_encoded_value", unknown_value=-1)), make("HistGradientBoostingClassifier", max_iter=15))),
    ("ColumnTransformer by index", "plain", "numbers", lambda r: chain(make("ColumnTransformer", transformers=[("a", make("StandardScaler"), [0, 2]), ("b", make("KBinsDiscretizer", n_bins=3, encode="ordinal"), slice(3, 5))], remainder="passthrough"), make("Lasso", alpha=.01))),
    ("ColumnTransformer with a selector", "table", "bool", lambda r: chain(make("ColumnTransformer", transformers=[("n", filled(), find("make_column_selector")(dtype_include="number")), ("w", make("OneHotEncoder"), find("make_column_selector")(dtype_exclude="number"))]), forest("Classifier"))),
    ("ColumnTransformer with targets", "table", "numbers", lambda r: chain(columns(filled(make("QuantileTransformer", n_quantiles=20)), make("TargetEncoder", random_state=0)), make("ElasticNet", alpha=.01))),
    ("GridSearchCV", "plain", "two;three", lambda r: inner("GridSearchCV", logistic(), param_grid={"C": [.1, 1]}, cv=2)),
    ("RandomizedSearchCV", "plain", "numbers", lambda r: inner("RandomizedSearchCV", make("Ridge"), param_distributions={"alpha": [.1, 1, 5]}, n_iter=2, cv=2, random_state=0)),
    ("VotingClassifier", "plain", "three", lambda r: make("VotingClassifier", estimators=[("a", logistic()), ("b", make("GaussianNB"))], voting=r.choice(["soft", "hard"]), weights=[1, 2])),
    ("VotingRegressor", "plain", "numbers", lambda r: make("VotingRegressor", estimators=[("a", make("Ridge")), ("b", forest("Regressor"))])),
    ("StackingClassifier", "plain", "two;three", lambda r: make("StackingClassifier", estimators=[("a", logistic()), ("b", make("LinearSVC"))], cv=2, passthrough=bool(r.integers(2)))),
    ("StackingRegressor", "plain", "numbers", lambda r: make("StackingRegressor", estimators=[("a", make("Ridge")), ("b", forest("Regressor"))], cv=2)),
    ("CalibratedClassifierCV", "plain", "two;three", lambda r: inner("CalibratedClassifierCV", r.choice([logistic(), make("LinearSVC"), make("GaussianNB")]), cv=2, method=r.choice(["sigmoid", "isotonic", "temperature"]), ensemble=bool(r.integers(2)))),
    ("TransformedTargetRegressor", "plain", "positive", lambda r: make("TransformedTargetRegressor", regressor=make("Ridge"), **r.choice([{"func": np.log, "inverse_func": np.exp}, {"transformer": make("QuantileTransformer", n_quantiles=20)}, {"transformer": make("StandardScaler")}]))),
    ("MultiOutputRegressor", "plain", "two numbers", lambda r: inner("MultiOutputRegressor", make("GradientBoostingRegressor", n_estimators=5))),
    ("MultiOutputClassifier", "plain", "two classes;two words;labels", lambda r: inner("MultiOutputClassifier", logistic())),
    ("RegressorChain", "plain", "two numbers", lambda r: make("RegressorChain", base_estimator=make("Ridge"), estimator=make("Ridge"), order=r.choice([None, "random"]), random_state=0)),
    ("ClassifierChain", "plain", "labels", lambda r: make("ClassifierChain", base_estimator=logistic(), estimator=logistic(), random_state=0, order=r.choice([None, "random"]))),
    ("OneVsRestClassifier", "plain", "three;two;labels", lambda r: inner("OneVsRestClassifier", r.choice([logistic(), make("LinearSVC"), forest("Classifier")]))),
    ("OneVsOneClassifier", "plain", "three;seven;two", lambda r: inner("OneVsOneClassifier", r.choice([logistic(), make("LinearSVC"), forest("Classifier")]))),
    ("OutputCodeClassifier", "plain", "three;seven", lambda r: inner("OutputCodeClassifier", r.choice([logistic(), make("LinearSVC")]), code_size=3, random_state=0)),
    ("SelfTrainingClassifier", "plain", "two", lambda r: inner("SelfTrainingClassifier", logistic())),
    ("FixedThresholdClassifier", "plain", "two", lambda r: inner("FixedThresholdClassifier", logistic(), threshold=.3)),
    ("TunedThresholdClassifierCV", "plain", "two", lambda r: inner("TunedThresholdClassifierCV", logistic(), cv=2)),
    ("FrozenEstimator", "plain", "two", lambda r, x, y: chain(make("FrozenEstimator", estimator=make("StandardScaler").fit(x)), make("FrozenEstimator", estimator=logistic().fit(x, y)))),
    ("CalibratedClassifierCV of what is frozen", "plain", "two;three", lambda r, x, y: inner("CalibratedClassifierCV", make("FrozenEstimator", estimator=forest("Classifier").fit(x, y)))),
    ("BaggingClassifier of others", "plain", "three", lambda r: inner("BaggingClassifier", logistic(), n_estimators=4, max_features=4, random_state=0)),
    ("AdaBoostClassifier of others", "plain", "three", lambda r: inner("AdaBoostClassifier", make("DecisionTreeClassifier", max_depth=3), n_estimators=5, random_state=0)),
    ("HistGradientBoosting of categories", "categories", "numbers", lambda r: make("HistGradientBoostingRegressor", max_iter=15, categorical_features="from_dtype")),
]
