/*
 * The list: every name that a model's file may use, by exact module and name, for scikit-learn 0.24 to
 * 1.9 and what comes with it. A name with dots in it is on no list: Python would follow it. Nothing here
 * is ever called; PY_INERT is what must not even look as if it were.
 *
 * Sorted by module (a test sees to it).
 */
#include "format/pickle_internal.h"

const eng_py_listed eng_py_list[] = {
    {"__builtin__", "bytearray bytes", PY_BYTES_OF},
    {"__builtin__", "bool dict float int list str tuple type", PY_INERT},
    {"__builtin__", "complex object range slice", PY_OBJECT},
    {"__builtin__", "frozenset set", PY_SET_OF},
    {"_codecs", "encode", PY_ENCODE},
    {"_loss",
     "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss "
     "CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError "
     "CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss "
     "__pyx_unpickle_CyAbsoluteError __pyx_unpickle_CyExponentialLoss "
     "__pyx_unpickle_CyHalfBinomialLoss __pyx_unpickle_CyHalfGammaLoss "
     "__pyx_unpickle_CyHalfMultinomialLoss __pyx_unpickle_CyHalfPoissonLoss "
     "__pyx_unpickle_CyHalfSquaredError __pyx_unpickle_CyHalfTweedieLoss "
     "__pyx_unpickle_CyHalfTweedieLossIdentity __pyx_unpickle_CyHuberLoss "
     "__pyx_unpickle_CyPinballLoss",
     PY_OBJECT},
    {"builtins", "bytearray bytes", PY_BYTES_OF},
    {"builtins", "bool dict float int list str tuple type", PY_INERT},
    {"builtins", "complex object range slice", PY_OBJECT},
    {"builtins", "frozenset set", PY_SET_OF},
    {"collections", "OrderedDict defaultdict", PY_MAP},
    {"copy_reg", "__newobj__ _reconstructor", PY_MAKE_OBJECT},
    {"copyreg", "__newobj__ _reconstructor", PY_MAKE_OBJECT},
    {"datetime", "date datetime time timedelta timezone", PY_OBJECT},
    {"decimal", "Decimal", PY_OBJECT},
    {"functools", "partial", PY_PARTIAL},
    {"joblib.numpy_pickle", "NumpyArrayWrapper", PY_WRAPPER},
    {"lightgbm.basic", "Booster", PY_OBJECT},
    {"lightgbm.sklearn", "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor _LGBMLabelEncoder",
     PY_OBJECT},
    {"numpy",
     "abs absolute amax amin arccos arccosh arcsin arcsinh arctan arctanh "
     "array asarray bool bool_ bytes_ cbrt ceil clip complex128 complex64 "
     "cos cosh datetime64 deg2rad degrees exp exp2 expm1 fabs float16 "
     "float32 float64 floating floor generic int16 int32 int64 int8 int_ "
     "intc integer intp isfinite isinf isnan log log10 log1p log2 longdouble "
     "longlong matrix max mean median memmap min nan_to_num ndarray negative "
     "number object_ positive rad2deg radians ravel recarray reciprocal rint "
     "sign sin sinh sqrt square std str_ sum tan tanh timedelta64 trunc "
     "uint16 uint32 uint64 uint8 uintc uintp ulonglong var",
     PY_INERT},
    {"numpy", "dtype", PY_NUMPY_DTYPE},
    {"numpy._core._multiarray_umath",
     "abs absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil "
     "clip cos cosh deg2rad degrees exp exp2 expm1 fabs floor isfinite isinf "
     "isnan log log10 log1p log2 negative positive rad2deg radians "
     "reciprocal rint sign sin sinh sqrt square tan tanh trunc",
     PY_INERT},
    {"numpy._core.multiarray", "_reconstruct", PY_NUMPY_EMPTY},
    {"numpy._core.multiarray", "scalar", PY_NUMPY_SCALAR},
    {"numpy._core.numeric", "_frombuffer", PY_NUMPY_BUFFER},
    {"numpy.core._multiarray_umath",
     "abs absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil "
     "clip cos cosh deg2rad degrees exp exp2 expm1 fabs floor isfinite isinf "
     "isnan log log10 log1p log2 negative positive rad2deg radians "
     "reciprocal rint sign sin sinh sqrt square tan tanh trunc",
     PY_INERT},
    {"numpy.core.multiarray", "_reconstruct", PY_NUMPY_EMPTY},
    {"numpy.core.multiarray", "scalar", PY_NUMPY_SCALAR},
    {"numpy.core.numeric", "_frombuffer", PY_NUMPY_BUFFER},
    {"numpy.dtypes",
     "BoolDType BytesDType Float16DType Float32DType Float64DType Int16DType "
     "Int32DType Int64DType Int8DType ObjectDType StrDType UInt16DType "
     "UInt32DType UInt64DType UInt8DType",
     PY_OBJECT},
    {"numpy.ma", "MaskedArray", PY_INERT},
    {"numpy.ma", "_mareconstruct", PY_OBJECT},
    {"numpy.ma.core", "MaskedArray MaskedConstant", PY_INERT},
    {"numpy.ma.core", "_mareconstruct", PY_OBJECT},
    {"numpy.random._bit_generator", "SeedSequence __pyx_unpickle_SeedSequence", PY_OBJECT},
    {"numpy.random._generator", "Generator", PY_OBJECT},
    {"numpy.random._mt19937", "MT19937", PY_OBJECT},
    {"numpy.random._pcg64", "PCG64 PCG64DXSM", PY_OBJECT},
    {"numpy.random._philox", "Philox", PY_OBJECT},
    {"numpy.random._pickle", "__bit_generator_ctor __generator_ctor __randomstate_ctor", PY_OBJECT},
    {"numpy.random._sfc64", "SFC64", PY_OBJECT},
    {"numpy.random.bit_generator", "SeedSequence __pyx_unpickle_SeedSequence", PY_OBJECT},
    {"numpy.random.mtrand", "RandomState", PY_OBJECT},
    {"pandas.core.dtypes.dtypes", "CategoricalDtype", PY_OBJECT},
    {"pandas.core.indexes.base", "Index _new_Index", PY_OBJECT},
    {"pandas.core.indexes.category", "CategoricalIndex", PY_OBJECT},
    {"pandas.core.indexes.numeric", "Float64Index Int64Index", PY_OBJECT},
    {"pandas.core.indexes.range", "RangeIndex", PY_OBJECT},
    {"pathlib", "PosixPath PurePosixPath", PY_OBJECT},
    {"scipy._lib.array_api_compat.numpy._aliases", "asarray", PY_INERT},
    {"scipy.interpolate._bsplines", "BSpline", PY_OBJECT},
    {"scipy.interpolate._interpolate", "interp1d", PY_OBJECT},
    {"scipy.interpolate.interpolate", "interp1d", PY_OBJECT},
    {"scipy.sparse._coo", "coo_array coo_matrix", PY_OBJECT},
    {"scipy.sparse._csc", "csc_array csc_matrix", PY_OBJECT},
    {"scipy.sparse._csr", "csr_array csr_matrix", PY_OBJECT},
    {"scipy.sparse._dia", "dia_array dia_matrix", PY_OBJECT},
    {"scipy.sparse.coo", "coo_array coo_matrix", PY_OBJECT},
    {"scipy.sparse.csc", "csc_array csc_matrix", PY_OBJECT},
    {"scipy.sparse.csr", "csr_array csr_matrix", PY_OBJECT},
    {"scipy.sparse.dia", "dia_array dia_matrix", PY_OBJECT},
    {"scipy.stats._continuous_distns",
     "beta_gen expon_gen gamma_gen lognorm_gen loguniform_gen norm_gen "
     "reciprocal_gen triang_gen truncnorm_gen uniform_gen",
     PY_OBJECT},
    {"scipy.stats._discrete_distns", "binom_gen geom_gen poisson_gen randint_gen", PY_OBJECT},
    {"scipy.stats._distn_infrastructure", "rv_continuous_frozen rv_discrete_frozen rv_frozen",
     PY_OBJECT},
    {"sklearn._loss._loss",
     "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss "
     "CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError "
     "CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss "
     "__pyx_unpickle_CyAbsoluteError __pyx_unpickle_CyExponentialLoss "
     "__pyx_unpickle_CyHalfBinomialLoss __pyx_unpickle_CyHalfGammaLoss "
     "__pyx_unpickle_CyHalfMultinomialLoss __pyx_unpickle_CyHalfPoissonLoss "
     "__pyx_unpickle_CyHalfSquaredError __pyx_unpickle_CyHalfTweedieLoss "
     "__pyx_unpickle_CyHalfTweedieLossIdentity __pyx_unpickle_CyHuberLoss "
     "__pyx_unpickle_CyPinballLoss",
     PY_OBJECT},
    {"sklearn._loss.glm_distribution",
     "GammaDistribution InverseGaussianDistribution NormalDistribution "
     "PoissonDistribution TweedieDistribution",
     PY_OBJECT},
    {"sklearn._loss.link", "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
     PY_OBJECT},
    {"sklearn._loss.loss",
     "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss "
     "HalfMultinomialLoss HalfPoissonLoss HalfSquaredError HalfTweedieLoss "
     "HalfTweedieLossIdentity HuberLoss PinballLoss",
     PY_OBJECT},
    {"sklearn.calibration",
     "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration "
     "_TemperatureScaling",
     PY_OBJECT},
    {"sklearn.cluster._affinity_propagation", "AffinityPropagation", PY_OBJECT},
    {"sklearn.cluster._agglomerative", "AgglomerativeClustering FeatureAgglomeration", PY_OBJECT},
    {"sklearn.cluster._bicluster", "SpectralBiclustering SpectralCoclustering", PY_OBJECT},
    {"sklearn.cluster._birch", "Birch", PY_OBJECT},
    {"sklearn.cluster._bisect_k_means", "BisectingKMeans _BisectingTree", PY_OBJECT},
    {"sklearn.cluster._dbscan", "DBSCAN", PY_OBJECT},
    {"sklearn.cluster._hdbscan.hdbscan", "HDBSCAN", PY_OBJECT},
    {"sklearn.cluster._kmeans", "KMeans MiniBatchKMeans", PY_OBJECT},
    {"sklearn.cluster._kmeans",
     "_kmeans_single_elkan _kmeans_single_lloyd lloyd_iter_chunked_dense lloyd_iter_chunked_sparse",
     PY_INERT},
    {"sklearn.cluster._mean_shift", "MeanShift", PY_OBJECT},
    {"sklearn.cluster._optics", "OPTICS", PY_OBJECT},
    {"sklearn.cluster._spectral", "SpectralClustering", PY_OBJECT},
    {"sklearn.compose._column_transformer",
     "ColumnTransformer _RemainderColsList make_column_selector", PY_OBJECT},
    {"sklearn.compose._target", "TransformedTargetRegressor", PY_OBJECT},
    {"sklearn.covariance._elliptic_envelope", "EllipticEnvelope", PY_OBJECT},
    {"sklearn.covariance._empirical_covariance", "EmpiricalCovariance", PY_OBJECT},
    {"sklearn.covariance._graph_lasso", "GraphicalLasso GraphicalLassoCV", PY_OBJECT},
    {"sklearn.covariance._robust_covariance", "MinCovDet", PY_OBJECT},
    {"sklearn.covariance._shrunk_covariance", "LedoitWolf OAS ShrunkCovariance", PY_OBJECT},
    {"sklearn.cross_decomposition._pls", "CCA PLSCanonical PLSRegression PLSSVD", PY_OBJECT},
    {"sklearn.decomposition._dict_learning",
     "DictionaryLearning MiniBatchDictionaryLearning SparseCoder", PY_OBJECT},
    {"sklearn.decomposition._factor_analysis", "FactorAnalysis", PY_OBJECT},
    {"sklearn.decomposition._fastica", "FastICA", PY_OBJECT},
    {"sklearn.decomposition._incremental_pca", "IncrementalPCA", PY_OBJECT},
    {"sklearn.decomposition._kernel_pca", "KernelPCA", PY_OBJECT},
    {"sklearn.decomposition._lda", "LatentDirichletAllocation", PY_OBJECT},
    {"sklearn.decomposition._nmf", "MiniBatchNMF NMF", PY_OBJECT},
    {"sklearn.decomposition._pca", "PCA", PY_OBJECT},
    {"sklearn.decomposition._sparse_pca", "MiniBatchSparsePCA SparsePCA", PY_OBJECT},
    {"sklearn.decomposition._truncated_svd", "TruncatedSVD", PY_OBJECT},
    {"sklearn.discriminant_analysis", "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
     PY_OBJECT},
    {"sklearn.dummy", "DummyClassifier DummyRegressor", PY_OBJECT},
    {"sklearn.ensemble._bagging", "BaggingClassifier BaggingRegressor", PY_OBJECT},
    {"sklearn.ensemble._forest",
     "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier "
     "RandomForestRegressor RandomTreesEmbedding",
     PY_OBJECT},
    {"sklearn.ensemble._gb", "GradientBoostingClassifier GradientBoostingRegressor VerboseReporter",
     PY_OBJECT},
    {"sklearn.ensemble._gb_losses",
     "BinomialDeviance ExponentialLoss HuberLossFunction LeastAbsoluteError "
     "LeastSquaresError MultinomialDeviance QuantileLossFunction",
     PY_OBJECT},
    {"sklearn.ensemble._hist_gradient_boosting.binning", "_BinMapper", PY_OBJECT},
    {"sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
     "HistGradientBoostingClassifier HistGradientBoostingRegressor", PY_OBJECT},
    {"sklearn.ensemble._hist_gradient_boosting.loss",
     "BinaryCrossEntropy CategoricalCrossEntropy LeastAbsoluteDeviation "
     "LeastSquares Poisson",
     PY_OBJECT},
    {"sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor", PY_OBJECT},
    {"sklearn.ensemble._iforest", "IsolationForest", PY_OBJECT},
    {"sklearn.ensemble._stacking", "StackingClassifier StackingRegressor", PY_OBJECT},
    {"sklearn.ensemble._voting", "VotingClassifier VotingRegressor", PY_OBJECT},
    {"sklearn.ensemble._weight_boosting", "AdaBoostClassifier AdaBoostRegressor", PY_OBJECT},
    {"sklearn.feature_extraction._dict_vectorizer", "DictVectorizer", PY_OBJECT},
    {"sklearn.feature_extraction._hash", "FeatureHasher", PY_OBJECT},
    {"sklearn.feature_extraction.image", "PatchExtractor", PY_OBJECT},
    {"sklearn.feature_extraction.text",
     "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer", PY_OBJECT},
    {"sklearn.feature_selection._from_model", "SelectFromModel", PY_OBJECT},
    {"sklearn.feature_selection._mutual_info", "mutual_info_classif mutual_info_regression",
     PY_INERT},
    {"sklearn.feature_selection._rfe", "RFE RFECV", PY_OBJECT},
    {"sklearn.feature_selection._sequential", "SequentialFeatureSelector", PY_OBJECT},
    {"sklearn.feature_selection._univariate_selection",
     "chi2 f_classif f_oneway f_regression r_regression", PY_INERT},
    {"sklearn.feature_selection._univariate_selection",
     "GenericUnivariateSelect SelectFdr SelectFpr SelectFwe SelectKBest "
     "SelectPercentile",
     PY_OBJECT},
    {"sklearn.feature_selection._variance_threshold", "VarianceThreshold", PY_OBJECT},
    {"sklearn.frozen._frozen", "FrozenEstimator", PY_OBJECT},
    {"sklearn.gaussian_process._gpc",
     "GaussianProcessClassifier _BinaryGaussianProcessClassifierLaplace", PY_OBJECT},
    {"sklearn.gaussian_process._gpr", "GaussianProcessRegressor", PY_OBJECT},
    {"sklearn.gaussian_process.kernels",
     "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation "
     "Hyperparameter Matern PairwiseKernel Product RBF RationalQuadratic Sum "
     "WhiteKernel",
     PY_OBJECT},
    {"sklearn.impute._base", "MissingIndicator SimpleImputer", PY_OBJECT},
    {"sklearn.impute._iterative", "IterativeImputer _ImputerTriplet", PY_OBJECT},
    {"sklearn.impute._knn", "KNNImputer", PY_OBJECT},
    {"sklearn.isotonic", "IsotonicRegression", PY_OBJECT},
    {"sklearn.kernel_approximation",
     "AdditiveChi2Sampler Nystroem PolynomialCountSketch RBFSampler "
     "SkewedChi2Sampler",
     PY_OBJECT},
    {"sklearn.kernel_ridge", "KernelRidge", PY_OBJECT},
    {"sklearn.linear_model._base", "LinearRegression", PY_OBJECT},
    {"sklearn.linear_model._bayes", "ARDRegression BayesianRidge", PY_OBJECT},
    {"sklearn.linear_model._coordinate_descent",
     "ElasticNet ElasticNetCV Lasso LassoCV MultiTaskElasticNet "
     "MultiTaskElasticNetCV MultiTaskLasso MultiTaskLassoCV",
     PY_OBJECT},
    {"sklearn.linear_model._glm.glm",
     "GammaRegressor GeneralizedLinearRegressor PoissonRegressor "
     "TweedieRegressor _GeneralizedLinearRegressor",
     PY_OBJECT},
    {"sklearn.linear_model._glm.link", "IdentityLink LogLink LogitLink", PY_OBJECT},
    {"sklearn.linear_model._huber", "HuberRegressor", PY_OBJECT},
    {"sklearn.linear_model._least_angle", "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC",
     PY_OBJECT},
    {"sklearn.linear_model._logistic", "LogisticRegression LogisticRegressionCV", PY_OBJECT},
    {"sklearn.linear_model._omp", "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV",
     PY_OBJECT},
    {"sklearn.linear_model._passive_aggressive",
     "PassiveAggressiveClassifier PassiveAggressiveRegressor", PY_OBJECT},
    {"sklearn.linear_model._perceptron", "Perceptron", PY_OBJECT},
    {"sklearn.linear_model._quantile", "QuantileRegressor", PY_OBJECT},
    {"sklearn.linear_model._ransac", "RANSACRegressor", PY_OBJECT},
    {"sklearn.linear_model._ridge",
     "Ridge RidgeCV RidgeClassifier RidgeClassifierCV _IdentityClassifier "
     "_IdentityRegressor _RidgeGCV",
     PY_OBJECT},
    {"sklearn.linear_model._sgd_fast",
     "Classification EpsilonInsensitive Hinge Huber Log LossFunction "
     "ModifiedHuber Regression SquaredEpsilonInsensitive SquaredHinge "
     "SquaredLoss __pyx_unpickle_Classification "
     "__pyx_unpickle_EpsilonInsensitive __pyx_unpickle_Hinge "
     "__pyx_unpickle_Huber __pyx_unpickle_Log __pyx_unpickle_LossFunction "
     "__pyx_unpickle_ModifiedHuber __pyx_unpickle_Regression "
     "__pyx_unpickle_SquaredEpsilonInsensitive __pyx_unpickle_SquaredHinge "
     "__pyx_unpickle_SquaredLoss",
     PY_OBJECT},
    {"sklearn.linear_model._stochastic_gradient", "SGDClassifier SGDOneClassSVM SGDRegressor",
     PY_OBJECT},
    {"sklearn.linear_model._theil_sen", "TheilSenRegressor", PY_OBJECT},
    {"sklearn.manifold._classical_mds", "ClassicalMDS", PY_OBJECT},
    {"sklearn.manifold._isomap", "Isomap", PY_OBJECT},
    {"sklearn.manifold._locally_linear", "LocallyLinearEmbedding", PY_OBJECT},
    {"sklearn.manifold._mds", "MDS", PY_OBJECT},
    {"sklearn.manifold._spectral_embedding", "SpectralEmbedding", PY_OBJECT},
    {"sklearn.manifold._t_sne", "TSNE", PY_OBJECT},
    {"sklearn.metrics._classification",
     "accuracy_score balanced_accuracy_score brier_score_loss "
     "cohen_kappa_score d2_brier_score d2_log_loss_score f1_score "
     "fbeta_score hamming_loss hinge_loss jaccard_score log_loss "
     "matthews_corrcoef precision_score recall_score zero_one_loss",
     PY_INERT},
    {"sklearn.metrics._dist_metrics",
     "BrayCurtisDistance BrayCurtisDistance32 BrayCurtisDistance64 "
     "CanberraDistance CanberraDistance32 CanberraDistance64 "
     "ChebyshevDistance ChebyshevDistance32 ChebyshevDistance64 DiceDistance "
     "DiceDistance32 DiceDistance64 DistanceMetric DistanceMetric32 "
     "DistanceMetric64 EuclideanDistance EuclideanDistance32 "
     "EuclideanDistance64 HammingDistance HammingDistance32 "
     "HammingDistance64 HaversineDistance HaversineDistance32 "
     "HaversineDistance64 JaccardDistance JaccardDistance32 "
     "JaccardDistance64 KulsinskiDistance KulsinskiDistance32 "
     "KulsinskiDistance64 MahalanobisDistance MahalanobisDistance32 "
     "MahalanobisDistance64 ManhattanDistance ManhattanDistance32 "
     "ManhattanDistance64 MatchingDistance MatchingDistance32 "
     "MatchingDistance64 MinkowskiDistance MinkowskiDistance32 "
     "MinkowskiDistance64 RogersTanimotoDistance RogersTanimotoDistance32 "
     "RogersTanimotoDistance64 RussellRaoDistance RussellRaoDistance32 "
     "RussellRaoDistance64 SEuclideanDistance SEuclideanDistance32 "
     "SEuclideanDistance64 SokalMichenerDistance SokalMichenerDistance32 "
     "SokalMichenerDistance64 SokalSneathDistance SokalSneathDistance32 "
     "SokalSneathDistance64 WMinkowskiDistance WMinkowskiDistance32 "
     "WMinkowskiDistance64 newObj",
     PY_OBJECT},
    {"sklearn.metrics._ranking",
     "average_precision_score ndcg_score roc_auc_score top_k_accuracy_score", PY_INERT},
    {"sklearn.metrics._regression",
     "d2_absolute_error_score d2_pinball_score d2_tweedie_score "
     "explained_variance_score max_error mean_absolute_error "
     "mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss "
     "mean_poisson_deviance mean_squared_error mean_squared_log_error "
     "mean_tweedie_deviance median_absolute_error r2_score "
     "root_mean_squared_error root_mean_squared_log_error",
     PY_INERT},
    {"sklearn.metrics._scorer", "_passthrough_scorer", PY_INERT},
    {"sklearn.metrics._scorer",
     "_BaseScorer _CurveScorer _MultimetricScorer _PassthroughScorer "
     "_PredictScorer _ProbaScorer _Scorer _ThresholdScorer",
     PY_OBJECT},
    {"sklearn.metrics.pairwise",
     "cosine_similarity euclidean_distances linear_kernel polynomial_kernel "
     "rbf_kernel sigmoid_kernel",
     PY_INERT},
    {"sklearn.mixture._bayesian_mixture", "BayesianGaussianMixture", PY_OBJECT},
    {"sklearn.mixture._gaussian_mixture", "GaussianMixture", PY_OBJECT},
    {"sklearn.model_selection._classification_threshold",
     "FixedThresholdClassifier TunedThresholdClassifierCV _CurveScorer", PY_OBJECT},
    {"sklearn.model_selection._search", "GridSearchCV RandomizedSearchCV", PY_OBJECT},
    {"sklearn.model_selection._search_successive_halving",
     "HalvingGridSearchCV HalvingRandomSearchCV", PY_OBJECT},
    {"sklearn.model_selection._split",
     "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut "
     "LeavePGroupsOut LeavePOut PredefinedSplit RepeatedKFold "
     "RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold "
     "StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit "
     "_CVIterableWrapper",
     PY_OBJECT},
    {"sklearn.multiclass",
     "OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier "
     "_ConstantPredictor",
     PY_OBJECT},
    {"sklearn.multioutput",
     "ClassifierChain MultiOutputClassifier MultiOutputRegressor "
     "RegressorChain",
     PY_OBJECT},
    {"sklearn.naive_bayes", "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
     PY_OBJECT},
    {"sklearn.neighbors._ball_tree", "BallTree BallTree32 BallTree64 newObj", PY_OBJECT},
    {"sklearn.neighbors._classification", "KNeighborsClassifier RadiusNeighborsClassifier",
     PY_OBJECT},
    {"sklearn.neighbors._dist_metrics",
     "BrayCurtisDistance CanberraDistance ChebyshevDistance DiceDistance "
     "DistanceMetric EuclideanDistance HammingDistance HaversineDistance "
     "JaccardDistance KulsinskiDistance MahalanobisDistance "
     "ManhattanDistance MatchingDistance MinkowskiDistance "
     "RogersTanimotoDistance RussellRaoDistance SEuclideanDistance "
     "SokalMichenerDistance SokalSneathDistance WMinkowskiDistance newObj",
     PY_OBJECT},
    {"sklearn.neighbors._graph", "KNeighborsTransformer RadiusNeighborsTransformer", PY_OBJECT},
    {"sklearn.neighbors._kd_tree", "KDTree KDTree32 KDTree64 newObj", PY_OBJECT},
    {"sklearn.neighbors._kde", "KernelDensity", PY_OBJECT},
    {"sklearn.neighbors._lof", "LocalOutlierFactor", PY_OBJECT},
    {"sklearn.neighbors._nca", "NeighborhoodComponentsAnalysis", PY_OBJECT},
    {"sklearn.neighbors._nearest_centroid", "NearestCentroid", PY_OBJECT},
    {"sklearn.neighbors._regression", "KNeighborsRegressor RadiusNeighborsRegressor", PY_OBJECT},
    {"sklearn.neighbors._unsupervised", "NearestNeighbors", PY_OBJECT},
    {"sklearn.neural_network._multilayer_perceptron", "MLPClassifier MLPRegressor", PY_OBJECT},
    {"sklearn.neural_network._rbm", "BernoulliRBM", PY_OBJECT},
    {"sklearn.neural_network._stochastic_optimizers", "AdamOptimizer SGDOptimizer", PY_OBJECT},
    {"sklearn.pipeline", "FeatureUnion Pipeline", PY_OBJECT},
    {"sklearn.preprocessing._data",
     "Binarizer KernelCenterer MaxAbsScaler MinMaxScaler Normalizer "
     "PowerTransformer QuantileTransformer RobustScaler StandardScaler",
     PY_OBJECT},
    {"sklearn.preprocessing._discretization", "KBinsDiscretizer", PY_OBJECT},
    {"sklearn.preprocessing._encoders", "OneHotEncoder OrdinalEncoder", PY_OBJECT},
    {"sklearn.preprocessing._function_transformer", "FunctionTransformer", PY_OBJECT},
    {"sklearn.preprocessing._label", "LabelBinarizer LabelEncoder MultiLabelBinarizer", PY_OBJECT},
    {"sklearn.preprocessing._polynomial", "PolynomialFeatures SplineTransformer", PY_OBJECT},
    {"sklearn.preprocessing._target_encoder", "TargetEncoder", PY_OBJECT},
    {"sklearn.random_projection", "GaussianRandomProjection SparseRandomProjection", PY_OBJECT},
    {"sklearn.semi_supervised._label_propagation", "LabelPropagation LabelSpreading", PY_OBJECT},
    {"sklearn.semi_supervised._self_training", "SelfTrainingClassifier", PY_OBJECT},
    {"sklearn.svm._classes", "LinearSVC LinearSVR NuSVC NuSVR OneClassSVM SVC SVR", PY_OBJECT},
    {"sklearn.tree._classes",
     "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier "
     "ExtraTreeRegressor",
     PY_OBJECT},
    {"sklearn.tree._tree", "Tree", PY_OBJECT},
    {"sklearn.utils", "Bunch", PY_MAP},
    {"sklearn.utils._bunch", "Bunch", PY_MAP},
    {"sklearn.utils._metadata_requests", "MetadataRequest MethodMetadataRequest _MetadataRequester",
     PY_OBJECT},
    {"sklearn.utils.validation", "check_array", PY_INERT},
    {"uuid", "UUID", PY_OBJECT},
    {"xgboost.callback", "EarlyStopping TrainingCallback", PY_OBJECT},
    {"xgboost.core", "Booster", PY_OBJECT},
    {"xgboost.sklearn",
     "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker "
     "XGBRegressor",
     PY_OBJECT},
};

const size_t eng_py_list_count = sizeof eng_py_list / sizeof *eng_py_list;

static bool has_word(const char *words, eng_str word)
{
    eng_str rest = eng_str_of(words), head;
    while (eng_str_cut(rest, ' ', &head, &rest))
        if (eng_str_eq(head, word))
            return true;
    return eng_str_eq(head, word);
}

const eng_py_listed *eng_py_list_find(eng_str module, eng_str name)
{
    size_t low = 0, high = eng_py_list_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (eng_str_cmp(eng_str_of(eng_py_list[middle].module), module) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < eng_py_list_count && eng_str_eq(eng_str_of(eng_py_list[low].module), module);
         low++)
        if (has_word(eng_py_list[low].names, name))
            return &eng_py_list[low];
    return NULL;
}
