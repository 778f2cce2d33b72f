"""The types a skops model may hold, each looked at: none reads files, calls what the model names, or trusts an index unchecked.

Nearest neighbours, support vector machines with kernels, and clusterings are not here: their compiled code reads memory
by what the file says. Trees are, because every index of theirs is checked (skops_trees). ONNX takes all of them.
"""

from __future__ import annotations

REVIEWED: dict[str, str] = {
    "sklearn.pipeline": "Pipeline FeatureUnion",
    "sklearn.compose._column_transformer": "ColumnTransformer make_column_selector _RemainderColsList",
    "sklearn.compose._target": "TransformedTargetRegressor",
    "sklearn.impute._base": "SimpleImputer MissingIndicator",
    "sklearn.preprocessing._data": "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer Binarizer"
    " QuantileTransformer PowerTransformer KernelCenterer",
    "sklearn.preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
    "sklearn.preprocessing._target_encoder": "TargetEncoder",
    "sklearn.preprocessing._label": "LabelEncoder LabelBinarizer MultiLabelBinarizer",
    "sklearn.preprocessing._discretization": "KBinsDiscretizer",
    "sklearn.preprocessing._polynomial": "PolynomialFeatures",
    "sklearn.preprocessing._function_transformer": "FunctionTransformer",
    "sklearn.feature_selection._variance_threshold": "VarianceThreshold",
    "sklearn.feature_selection._univariate_selection": "SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe",
    "sklearn.feature_selection._from_model": "SelectFromModel",
    "sklearn.feature_selection._rfe": "RFE RFECV",
    "sklearn.feature_extraction._dict_vectorizer": "DictVectorizer",
    "sklearn.feature_extraction.text": "TfidfVectorizer TfidfTransformer CountVectorizer HashingVectorizer",
    "sklearn.decomposition._pca": "PCA",
    "sklearn.decomposition._truncated_svd": "TruncatedSVD",
    "sklearn.random_projection": "GaussianRandomProjection SparseRandomProjection",
    "sklearn.kernel_approximation": "RBFSampler Nystroem PolynomialCountSketch AdditiveChi2Sampler SkewedChi2Sampler",
    "sklearn.cross_decomposition._pls": "PLSRegression PLSCanonical CCA PLSSVD",
    "sklearn.linear_model._base": "LinearRegression",
    "sklearn.linear_model._logistic": "LogisticRegression LogisticRegressionCV",
    "sklearn.linear_model._ridge": "Ridge RidgeCV RidgeClassifier RidgeClassifierCV _IdentityRegressor _IdentityClassifier",
    "sklearn.linear_model._coordinate_descent": "Lasso LassoCV ElasticNet ElasticNetCV MultiTaskLasso MultiTaskElasticNet",
    "sklearn.linear_model._stochastic_gradient": "SGDClassifier SGDRegressor",
    "sklearn.linear_model._perceptron": "Perceptron",
    "sklearn.linear_model._passive_aggressive": "PassiveAggressiveClassifier PassiveAggressiveRegressor",
    "sklearn.linear_model._bayes": "BayesianRidge ARDRegression",
    "sklearn.linear_model._huber": "HuberRegressor",
    "sklearn.linear_model._quantile": "QuantileRegressor",
    "sklearn.linear_model._theil_sen": "TheilSenRegressor",
    "sklearn.linear_model._ransac": "RANSACRegressor",
    "sklearn.linear_model._omp": "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV",
    "sklearn.linear_model._least_angle": "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC",
    "sklearn.linear_model._glm.glm": "PoissonRegressor GammaRegressor TweedieRegressor",
    "sklearn.svm._classes": "LinearSVC LinearSVR",
    "sklearn.naive_bayes": "GaussianNB MultinomialNB BernoulliNB ComplementNB CategoricalNB",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.neural_network._multilayer_perceptron": "MLPClassifier MLPRegressor",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
    "sklearn.frozen._frozen": "FrozenEstimator",
    "sklearn.multiclass": "OneVsRestClassifier OneVsOneClassifier OutputCodeClassifier _ConstantPredictor",
    "sklearn.multioutput": "MultiOutputClassifier MultiOutputRegressor ClassifierChain RegressorChain",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.ensemble._voting": "VotingClassifier VotingRegressor",
    "sklearn.ensemble._stacking": "StackingClassifier StackingRegressor",
    "sklearn.ensemble._forest": "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor",
    "sklearn.ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
    "sklearn.ensemble._weight_boosting": "AdaBoostClassifier AdaBoostRegressor",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": "HistGradientBoostingClassifier HistGradientBoostingRegressor",
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    "sklearn.tree._tree": "Tree",
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogitLink LogLink MultinomialLogit",
    "sklearn._loss.loss": "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss HalfPoissonLoss"
    " HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss PinballLoss",
    "sklearn._loss._loss": "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss CyHalfMultinomialLoss"
    " CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss",
    "sklearn.linear_model._sgd_fast": "Hinge Log SquaredLoss ModifiedHuber EpsilonInsensitive Huber SquaredHinge"
    " SquaredEpsilonInsensitive",
    "builtins": "bool bytearray bytes complex dict float frozenset int list NoneType object set slice str tuple",
    "collections": "OrderedDict defaultdict",
    "numpy": "bool bool_ dtype float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 ndarray str_ bytes_"
    " object_ datetime64 timedelta64",
    "numpy.ma": "MaskedArray",
    "numpy.random.mtrand": "RandomState",
    "numpy.random._generator": "Generator",
    "scipy.sparse._csr": "csr_matrix csr_array",
    "scipy.sparse._csc": "csc_matrix csc_array",
}  # fmt: skip
# Functions that a FunctionTransformer or a selector may name: of numbers to numbers.
FUNCTIONS: dict[str, str] = {
    "numpy": "abs absolute add arcsinh cbrt ceil clip cos divide exp exp2 expm1 floor log log10 log1p log2 maximum minimum"
    " multiply nan_to_num negative power reciprocal rint round sign sin sqrt square subtract tan tanh trunc",
    "scipy.special": "expit logit log1p boxcox boxcox1p inv_boxcox inv_boxcox1p",
    "scipy.special._ufuncs": "expit logit log1p boxcox boxcox1p inv_boxcox inv_boxcox1p",
    "sklearn.feature_selection._univariate_selection": "f_classif f_regression chi2 r_regression",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
}
BIT_GENERATORS = frozenset({"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"})


def is_reviewed(name: str) -> bool:
    """A type by its full name, as module.Class."""
    module, _, kind = name.rpartition(".")
    return kind in REVIEWED.get(module, "").split()


def is_reviewed_function(name: str) -> bool:
    """A function by its full name."""
    module, _, kind = name.rpartition(".")
    return kind in FUNCTIONS.get(module, "").split()
