#!/bin/sh
# The jar, installed into a local Maven repository. That begins as a copy, by hard links, of what the user's already holds.
set -eu
repository=$SCRATCH/maven
case $1 in
install)
  mkdir -p "$repository"
  if [ -d "$HOME/.m2/repository" ]; then
    cp -al "$HOME/.m2/repository/." "$repository" 2>/dev/null || cp -r "$HOME/.m2/repository/." "$repository"
    rm -rf "$repository/dev/straw"
  fi
  mvn --batch-mode --quiet -Dmaven.repo.local="$repository" -DskipTests -f "$REPOSITORY/clients/java/pom.xml" install
  version=$(ls "$repository/dev/straw/straw-client" | grep -v '\.xml$')
  cat >pom.xml <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>newcomer</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>dev.straw</groupId><artifactId>straw-client</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
POM
  mvn --batch-mode --quiet -Dmaven.repo.local="$repository" dependency:build-classpath -Dmdep.outputFile=classpath
  ;;
build)
  mkdir -p "$2.d"
  class=$(sed -n 's/.*\(class\|record\|interface\) \([A-Za-z0-9]*\).*{.*/\2/p' "$2" | head -1)
  cp "$2" "$2.d/$class.java"
  echo "$class" >"$2.class"
  javac -cp "$(cat classpath)" -d "$2.d" "$2.d/$class.java"
  ;;
run) exec java -cp "$(cat classpath):$2.d" "$(cat "$2.class")" ;;
esac
