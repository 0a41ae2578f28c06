@echo off
rem Starts the finetune command. In the sources the first start builds it with Maven; delete finetune-cli\target to build again.
setlocal
set "HOME_DIR=%~dp0"
rem As in finetune: code that only calls libtorch is compiled a second time later.
set "LATER=-XX:Tier4InvocationThreshold=100000 -XX:Tier4CompileThreshold=200000"
set "JAVA=java"
if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java"
rem A list of all jars is longer than a command may be: they lie in one directory.
set "JARS=%HOME_DIR%lib"
if exist "%JARS%\" goto start
set "JARS=%HOME_DIR%finetune-cli\target\jars"
if exist "%JARS%\finetune-cli.jar" goto start
echo building finetune ^(once^)... 1>&2
pushd "%HOME_DIR%"
call mvn -q -DskipTests -Dspotless.check.skip=true -pl finetune-cli -am package dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=%JARS%" 1>&2 || (popd & exit /b 1)
popd
copy /y "%HOME_DIR%finetune-cli\target\finetune-cli.jar" "%JARS%" >nul
:start
rem Classes of one's own, such as rewards.
set "OWN="
if defined FINETUNE_CLASSPATH set "OWN=;%FINETUNE_CLASSPATH%"
"%JAVA%" -XX:+UseSerialGC -Xms64m %LATER% %FINETUNE_JAVA_OPTS% -cp "%JARS%\*%OWN%" org.finetune4j.cli.Main %*
